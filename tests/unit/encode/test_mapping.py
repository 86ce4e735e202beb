"""The types: which encoder serves each, what it leaves in the server, and what --if-exists means."""

from __future__ import annotations

import dataclasses
import pickle
from dataclasses import replace
from typing import Any

import pytest

from etl.encode.mapping import IF_EXISTS, Expiry, RecordMapping
from etl.encode.rdb.hashes import LISTPACK
from etl.encode.resp.command import parse_command
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.strategies.merged import MembersEncoder
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.encode.strategies.set import SetEncoder
from etl.errors import UsageError
from etl.options import LoadOptions
from etl.options.effects import OF_EVERY_TYPE, OF_SOME_TYPES
from etl.options.shelves import TYPES
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, commands_shape, load, mapping_of, send, template
from tests.unit.encode.model import Document, Model, Scores

MINUTE = Expiry("PX", template("60000"))
BATCH = batch_of(
    {"id": [b"1", b"2"], "v": [b"a", None], "score": [b"5", b"6"], "ttl": [b"7", b"8"]},
    spread=("id", "v"),
    json=[b'{"v":1}', b'{"v":null}'],
)


def held(mapping: RecordMapping) -> dict[bytes, Any]:
    model = Model()
    load(mapping, BATCH, model)
    return {key: value.value if isinstance(value, Document) else value for key, value in model.keys.items()}


@cases(
    ("mapping", "keys"),
    [
        (mapping_of("string", value="{id}"), {b"k:1": b"1", b"k:2": b"2"}),
        (mapping_of("hash"), {b"k:1": {b"id": b"1", b"v": b"a"}, b"k:2": {b"id": b"2"}}),
        (mapping_of("json", value="{json}"), {b"k:1": {"v": 1}, b"k:2": {"v": None}}),
        (mapping_of("json", value="{json}", if_exists="merge"), {b"k:1": {"v": 1}, b"k:2": {}}),
        (mapping_of("list", value="{id}"), {b"k:1": [b"1"], b"k:2": [b"2"]}),
        (mapping_of("list", key="all", value="{id}"), {b"all": [b"1", b"2"]}),
        (mapping_of("set", value="{id}"), {b"k:1": {b"1"}, b"k:2": {b"2"}}),
        (mapping_of("set", key="all", value="{id}"), {b"all": {b"1", b"2"}}),
        (mapping_of("zset", value="m"), {b"k:1": Scores({b"m": 5.0}), b"k:2": Scores({b"m": 6.0})}),
        (mapping_of("zset", key="all", value="{id}"), {b"all": Scores({b"1": 5.0, b"2": 6.0})}),
    ],
)
def test_a_type_leaves_what_it_is_named_for(mapping: RecordMapping, keys: dict[bytes, Any]) -> None:
    assert held(mapping) == keys


@cases(
    ("mapping", "encoder"),
    [
        (mapping_of("string"), MsetEncoder),
        (mapping_of("string", expiry=MINUTE), SetEncoder),
        (mapping_of("string", if_exists="skip"), SetEncoder),
        (mapping_of("string", if_exists="fail"), SetEncoder),
        (mapping_of("hash"), CommandsEncoder),
        (mapping_of("set"), CommandsEncoder),
        (mapping_of("set", key="all"), MembersEncoder),
        (mapping_of("set", key="all", expiry=MINUTE), MembersEncoder),
        (mapping_of("set", key="all", expiry=Expiry("EX", template("{ttl}"))), CommandsEncoder),
        (mapping_of("stream", key="all"), CommandsEncoder),
        (commands_shape("SADD all {id}"), MembersEncoder),
        (commands_shape("SADD all {id}", "SADD more {id}"), CommandsEncoder),
        (commands_shape("SADD s:{id} {id}"), CommandsEncoder),
    ],
)
def test_the_cheapest_encoder_that_can_is_taken(mapping: RecordMapping, encoder: type) -> None:
    assert type(mapping.encoder()) is encoder
    assert pickle.loads(pickle.dumps(mapping)) == mapping  # noqa: S301


def test_what_was_refused_together_is_sent_one_by_one() -> None:
    for mapping in (mapping_of("set", key="all"), commands_shape("SADD all {id}")):
        assert type(mapping.single()) is CommandsEncoder
    assert type(mapping_of("string").single()) is MsetEncoder


@cases("kind", TYPES.names())
@cases(
    ("expiry", "name"),
    [
        (MINUTE, b"PEXPIRE"),
        (Expiry("EX", template("{ttl}")), b"EXPIRE"),
        (Expiry("EXAT", template("{ttl}")), b"EXPIREAT"),
    ],
)
def test_every_type_can_expire(kind: str, expiry: Expiry, name: bytes) -> None:
    encoder = mapping_of(kind, value="{id}", expiry=expiry).encoder()
    model = Model()
    model_answers = [model.answer(command) for command in _commands(encoder)]
    assert len(model_answers) == 2 * (1 if kind == "string" else 3 if kind == "hash" else 2)
    if kind != "string":
        assert model.asked.count(name) == 2


def _commands(encoder: Any) -> list[list[bytes]]:
    return commands_in(encoder.encode(BATCH))


def test_an_expiry_for_one_key_comes_with_each_group() -> None:
    model = Model()
    load(mapping_of("set", key="all", value="{id}", expiry=MINUTE), BATCH, model)
    assert model.expiries == {b"all": 60000}


@pytest.mark.parametrize(("if_exists", "fields"), [("replace", {b"id"}), ("merge", {b"id", b"old"})])
def test_a_hash_replaces_or_merges(if_exists: str, fields: set[bytes]) -> None:
    model = Model()
    model.keys[b"k:2"] = {b"old": b"x"}
    load(mapping_of("hash", if_exists=if_exists), BATCH, model)
    assert set(model.keys[b"k:2"]) == fields


@cases("kind", TYPES.names())
def test_each_type_has_the_pass_before_it_that_if_exists_needs(kind: str) -> None:
    passes = {if_exists: mapping_of(kind, if_exists=if_exists).prepass() for if_exists in IF_EXISTS}
    key = template("k:{id}")
    assert passes["merge"] is None
    if kind == "string":
        assert passes == dict.fromkeys(IF_EXISTS)
        return
    assert passes["skip"] == ProbeEncoder(key, refuse=False)
    assert passes["fail"] == ProbeEncoder(key, refuse=True)
    assert passes["replace"] == (None if kind in ("hash", "json") else ClearEncoder(key))


def test_commands_have_no_pass_before_them() -> None:
    assert commands_shape("SADD s {id}").prepass() is None


def test_a_string_cannot_be_merged() -> None:
    with pytest.raises(UsageError, match="merge has no meaning for a string"):
        mapping_of("string", if_exists="merge").encoder()


def test_a_stream_gets_every_field_of_the_record() -> None:
    assert _commands(mapping_of("stream", key="all").encoder()) == [
        [b"XADD", b"all", b"*", b"id", b"1", b"v", b"a"],
        [b"XADD", b"all", b"*", b"id", b"2"],
    ]


def test_skipping_strings_leaves_what_is_there() -> None:
    model = Model()
    model.keys[b"k:2"] = b"old"
    mapping = mapping_of("string", value="{id}", if_exists="skip")
    result = send(mapping.encoder(), BATCH, model)
    assert (result.written, result.skipped, model.keys[b"k:2"]) == (1, 1, b"old")


def test_the_whole_record_is_the_default_value() -> None:
    for kind, module in TYPES.members():
        assert module.TYPE.default_value(True) == template("{line}"), kind
        assert module.TYPE.default_value(False) == template("{json}"), kind


def test_a_command_of_the_type_is_what_its_name_says() -> None:
    commands = {
        kind: module.TYPE.command(mapping_of(kind, if_exists="merge"))
        for kind, module in TYPES.members()
        if kind != "string"
    }
    assert commands == {
        "hash": parse_command("HSET k:{id} {*}"),
        "json": parse_command("JSON.MERGE k:{id} $ {v}"),
        "list": parse_command("RPUSH k:{id} {v}"),
        "set": parse_command("SADD k:{id} {v}"),
        "stream": parse_command("XADD k:{id} * {*}"),
        "zset": parse_command("ZADD k:{id} {score} {v}"),
    }


def test_what_types_say_of_options_is_of_options_that_there_are() -> None:
    said = {name for _, module in TYPES.members() for name in module.TYPE.options}
    assert said == set(OF_SOME_TYPES)
    assert {*OF_SOME_TYPES, *OF_EVERY_TYPE} <= {field.name for field in dataclasses.fields(LoadOptions)}
    for kind, module in TYPES.members():
        assert set(module.TYPE.requires) <= set(module.TYPE.options), kind


@cases(
    ("mapping", "adds_up", "repeatable"),
    [
        (mapping_of("string"), False, True),
        (mapping_of("string", if_exists="skip"), False, False),
        (mapping_of("string", if_exists="fail"), False, False),
        (mapping_of("hash", if_exists="skip"), False, True),
        (replace(mapping_of("hash"), restores=LISTPACK), False, True),
        (replace(mapping_of("hash", if_exists="skip"), restores=LISTPACK), False, False),
        (mapping_of("json", if_exists="merge"), False, True),
        (mapping_of("set", if_exists="merge"), False, True),
        (mapping_of("zset", if_exists="merge"), False, True),
        (mapping_of("list"), False, False),
        (mapping_of("list", if_exists="merge"), True, False),
        (mapping_of("stream"), False, False),
        (mapping_of("stream", if_exists="merge"), True, False),
        (commands_shape("SADD s {id}"), False, True),
        (commands_shape("SADD s {id}", "INCR n"), True, False),
    ],
)
def test_what_a_second_time_would_do_is_known(
    mapping: RecordMapping, adds_up: bool, repeatable: bool
) -> None:
    assert (mapping.adds_up, mapping.repeatable) == (adds_up, repeatable)


def test_what_restore_would_have_fenced_may_be_fenced() -> None:
    assert mapping_of("hash", if_exists="skip").may_be_fenced
    assert not mapping_of("hash").may_be_fenced
    assert not mapping_of("set").may_be_fenced
    assert mapping_of("list").may_be_fenced
