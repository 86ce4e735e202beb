"""The contract of an Encoder (``etl/plan/encoder.py``), for every strategy.

A new one is a new line in ENCODERS.

What the commands do to a server is the matter of ``test_types.py``.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import checker
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.payload import LISTPACK, ZIPLIST
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.encode.strategies.restore import RestoreEncoder
from etl.plan import Batch, BatchResult, Encoder
from etl.sink.error_replies import error_reply
from tests.cases import cases
from tests.contract.golden import listed
from tests.examples import examples
from tests.unit.encode.given import (
    batch_of,
    commands_in,
    expected_in,
    mapping_of,
    template,
)
from tests.unit.given import replies_in, stream_of

MINUTE = Expiry("PX", template("60000"))
FIELD_TTL = Expiry("EX", template("{ttl}"))
FIELD_TIME = Expiry("EXAT", template("{ttl}"))

SHAPES: dict[str, RecordMapping] = {
    "string": mapping_of(),
    "string-line-as-key": mapping_of(key="{v}", value="{id}"),
    "string-skip": mapping_of(if_exists="skip"),
    "string-fail": mapping_of(if_exists="fail"),
    "string-ttl": mapping_of(expiry=MINUTE),
    "string-ttl-field": mapping_of(expiry=FIELD_TTL, if_exists="skip"),
    "string-time-field": mapping_of(expiry=FIELD_TIME),
    "hash": mapping_of("hash"),
    "hash-merge": mapping_of("hash", if_exists="merge"),
    "hash-ttl": mapping_of("hash", expiry=FIELD_TTL),
    "json": mapping_of("json"),
    "json-merge-ttl": mapping_of("json", if_exists="merge", expiry=MINUTE),
    "list": mapping_of("list"),
    "list-one-key": mapping_of("list", key="all"),
    "set": mapping_of("set", expiry=FIELD_TIME),
    "set-one-key": mapping_of("set", key="all"),
    "set-one-key-ttl": mapping_of("set", key="all", expiry=MINUTE),
    "set-one-key-ttl-field": mapping_of("set", key="all", expiry=FIELD_TTL),
    "zset": mapping_of("zset", score="{ttl}"),
    "zset-one-key": mapping_of("zset", key="all", score="{ttl}"),
    "stream": mapping_of("stream", expiry=MINUTE),
    "command": mapping_of("string", "HSET h:{id} v {v}", if_exists="merge"),
    "command-one-key": mapping_of("string", "SADD all {v}", if_exists="merge"),
    "command-all": mapping_of("string", "HSET h:{id} {*}", if_exists="merge"),
    "commands": mapping_of(
        "string", "SET s:{id} {v} EX 60", "SADD all {v}", "HSET h {#} {v}", if_exists="merge"
    ),
    "command-members": mapping_of("string", "RPUSH tags:{id} {v} {tags[]}", if_exists="merge"),
    "command-any": mapping_of("string", "XADD s:{id} MAXLEN 5 * v {v}", if_exists="merge"),
}

LOADS: dict[str, Encoder] = {
    **{name: mapping.encoder() for name, mapping in SHAPES.items()},
    **{f"{name}, one by one": mapping.single() for name, mapping in SHAPES.items()},
    "restore": RestoreEncoder(template("k:{id}"), (), "replace", LISTPACK),
    "restore-old": RestoreEncoder(template("k:{id}"), (), "replace", ZIPLIST),
    "restore-skip-ttl": RestoreEncoder(
        template("k:{id}"), (template("EX"), template("{ttl}")), "skip", LISTPACK
    ),
}
CHECKS: dict[str, Encoder] = {
    f"check-{name}": checker(mapping)
    for name, mapping in SHAPES.items()
    if name not in ("stream", "command-any")
}
PASSES: dict[str, Encoder] = {
    "clear": ClearEncoder(template("k:{id}")),
    "probe-skip": ProbeEncoder(template("k:{id}"), refuse=False),
    "probe-fail": ProbeEncoder(template("k:{id}"), refuse=True),
}
COUNTING = {**LOADS, **CHECKS}
ENCODERS = {**COUNTING, **PASSES}

VALUES = st.lists(st.binary(max_size=20), min_size=1, max_size=30)
REPLY = st.sampled_from([b"OK", None, 0, 1, b"", b"7", [], [b"OK"], [None], error_reply("ERR bad")])

quick = examples(0.25)


def some(values: Sequence[bytes], first: int = 0) -> Batch:
    """Make records that every encoder can take: id, v, ttl, and tags, of which some have one and some two."""
    fields: dict[str, list[Any]] = {
        "id": [b"%d" % (first + at) for at in range(len(values))],
        "v": list(values),
        "ttl": [b"%d" % (60 + at) for at in range(len(values))],
        "tags[]": [[b"a", value][: 1 + at % 2] for at, value in enumerate(values)],
    }
    return batch_of(fields, first=first)


every_encoder = cases("encoder", ENCODERS.values(), ids=ENCODERS)
every_load = cases("encoder", LOADS.values(), ids=LOADS)
every_counting_one = cases("encoder", COUNTING.values(), ids=COUNTING)  # verdicts that count every record


def accounted(result: BatchResult) -> int:
    counted = result.written + result.skipped + result.equal + result.missing + result.different
    return counted + len(result.refusals) + len(result.again)


@quick
@given(values=VALUES, first=st.integers(0, 1 << 40))
@every_encoder
def test_a_wire_is_commands_in_arrays_of_bulk_strings_that_cover_the_batch(
    encoder: Encoder, values: list[bytes], first: int
) -> None:
    wire = encoder.encode(some(values, first))
    assert len(commands_in(wire)) == wire.commands == wire.groups * wire.commands_per_group
    assert wire.records == len(values)
    assert wire.boundaries[0] == 0
    assert all(before < after for before, after in pairwise(wire.boundaries))
    if wire.expected is not None:
        assert len(expected_in(wire)) == wire.commands


@quick
@given(values=VALUES, group=st.integers(0, 29))
@every_encoder
def test_a_group_of_commands_carries_the_records_of_its_boundaries(
    encoder: Encoder, values: list[bytes], group: int
) -> None:
    batch = some(values)
    wire = encoder.encode(batch)
    group %= wire.groups
    own = batch.take(pa.array(range(wire.boundaries[group], wire.boundaries[group + 1]), pa.int64()))
    each = wire.commands_per_group
    assert commands_in(encoder.encode(own)) == commands_in(wire)[group * each : (group + 1) * each]


@quick
@given(values=VALUES)
@every_encoder
def test_replies_as_expected_and_the_same_ones_parsed_have_one_verdict(
    encoder: Encoder, values: list[bytes]
) -> None:
    batch = some(values)
    wire = encoder.encode(batch)
    compared = encoder.read_replies(batch, wire, None)
    if wire.expected is not None:
        assert compared == encoder.read_replies(batch, wire, replies_in(bytes(wire.expected)))
    assert not compared.refusals
    assert not compared.again


@quick
@given(values=VALUES)
@every_counting_one
def test_replies_as_expected_are_good_for_every_record(encoder: Encoder, values: list[bytes]) -> None:
    batch = some(values)
    result = encoder.read_replies(batch, encoder.encode(batch), None)
    assert accounted(result) == result.written + result.equal == len(values)


@quick
@given(values=VALUES, data=st.data())
@every_load
def test_whatever_the_replies_to_a_load_every_record_is_accounted_for_once(
    encoder: Encoder, values: list[bytes], data: st.DataObject
) -> None:
    batch = some(values)
    wire = encoder.encode(batch)
    replies: list[Any] = data.draw(st.lists(REPLY, min_size=wire.commands, max_size=wire.commands))
    result = encoder.read_replies(batch, wire, replies)
    assert accounted(result) == len(values)
    indices = [refusal.index for refusal in result.refusals]
    assert indices == sorted(set(indices))
    assert not set(indices) & set(result.again)
    assert all(0 <= index < len(values) for index in (*indices, *result.again))
    assert all(isinstance(refusal.reason, Exception | str) for refusal in result.refusals)


@cases("name", LOADS)
def test_an_error_reply_concerns_the_records_of_its_group_and_no_others(name: str) -> None:
    encoder = LOADS[name]
    batch = some([b"%d" % number for number in range(1100)])
    wire = encoder.encode(batch)
    error = error_reply("ERR this one is bad")
    good: list[Any] = [1 if "string" not in name and "restore" not in name else b"OK"] * wire.commands
    replies = replies_in(bytes(wire.expected)) if wire.expected is not None else good
    replies[wire.commands_per_group] = error  # the first command of the second group
    result = encoder.read_replies(batch, wire, replies)
    concerned = [refusal.index for refusal in result.refusals] + list(result.again)
    assert concerned == list(range(wire.boundaries[1], wire.boundaries[2]))
    assert {refusal.reason for refusal in result.refusals} <= {error}
    assert result.written == 1100 - len(concerned)


@cases("name", SHAPES)
def test_what_sends_records_one_by_one_blames_each_for_itself(name: str) -> None:
    encoder = SHAPES[name].single()
    batch = some([b"%d" % number for number in range(20)])
    wire = encoder.encode(batch)
    # Of an MSET's records none is at fault alone: whatever it is refused for holds for all of them.
    assert wire.groups == (1 if isinstance(encoder, MsetEncoder) else 20)
    bad = error_reply("ERR this one is bad")
    result = encoder.read_replies(batch, wire, [bad] * wire.commands)
    assert [refusal.index for refusal in result.refusals] == list(range(20))
    assert not result.again


@cases("missing", ["id", "v", "ttl"])
@every_encoder
def test_a_record_that_lacks_a_field_is_refused_by_its_index_and_costs_no_neighbour(
    encoder: Encoder, missing: str
) -> None:
    batch = some([b"a", b"b", b"c", b"d"])
    index = batch.fields.schema.get_field_index(missing)
    holes = pa.array(
        [None if at in (1, 3) else value.as_py() for at, value in enumerate(batch.fields[index])]
    )
    fields = batch.fields.set_column(index, missing, holes.cast(pa.binary()))
    holed = replace(batch, fields=fields, spread=("v",))
    good, refusals = encoder.split_encodable(holed)
    needed = any(missing in each.fields for each in encoder.templates) or (
        missing == "v" and any("*" in each.fields for each in encoder.templates)
    )
    if encoder in PASSES.values():
        assert refusals == []
        assert len(good) == (2 if needed else 4)
    else:
        assert [refusal.index for refusal in refusals] == ([1, 3] if needed else [])
        assert len(good) == 4 - len(refusals)
    assert [number for number in (0, 2) if number not in listed(good.numbers)] == []
    assert encoder.encode(good).records == len(good)


@every_encoder
def test_an_encoder_travels_and_encodes_there_as_here(encoder: Encoder) -> None:
    travelled: Encoder = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - our own
    batch = some([b"a", b"b\r\n"])
    assert travelled == encoder
    assert stream_of(travelled.encode(batch)) == stream_of(encoder.encode(batch))


@cases("value", [b"", b"\0", b"\r\nFLUSHALL\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"x" * (1 << 20)])
@every_encoder
def test_data_cannot_become_a_command(encoder: Encoder, value: bytes) -> None:
    harmless = {command[0] for command in commands_in(encoder.encode(some([b"a"] * 3)))}
    names = {command[0] for command in commands_in(encoder.encode(some([value] * 3)))}
    assert names == harmless
    assert b"FLUSHALL" not in names
