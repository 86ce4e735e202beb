"""Commands of any kind: the words that are meant, the replies they have, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.command import parse_command
from etl.encode.strategies.commands import CommandsEncoder
from etl.plan import Batch, Refusal
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, expected_in, template
from tests.unit.encode.model import Model
from tests.unit.given import replies_in


def encoder(*texts: str) -> CommandsEncoder:
    return CommandsEncoder(tuple(parse_command(text) for text in texts))


BATCH = batch_of(
    {
        "id": [b"1", b"2"],
        "v": [b"", None],
        "tags[]": [[b"x", None, b"y"], [b""]],
        "w": [b"\r\n*1\r\n", b"\x00{}"],
    },
    first=41,
    spread=("id", "v", "w"),
)

WRITTEN: list[tuple[str, list[list[bytes]]]] = [
    ("SET k:{#} {w}", [[b"SET", b"k:41", b"\r\n*1\r\n"], [b"SET", b"k:42", b"\x00{}"]]),
    ("set {{{id}}} '' EX 9", [[b"SET", b"{1}", b"", b"EX", b"9"], [b"SET", b"{2}", b"", b"EX", b"9"]]),
    (
        "HSET h:{id} {*}",
        [
            [b"HSET", b"h:1", b"id", b"1", b"v", b"", b"w", b"\r\n*1\r\n"],
            [b"HSET", b"h:2", b"id", b"2", b"w", b"\x00{}"],
        ],
    ),
    (
        "XADD s * a 1 {*}",
        [
            [b"XADD", b"s", b"*", b"a", b"1", b"id", b"1", b"v", b"", b"w", b"\r\n*1\r\n"],
            [b"XADD", b"s", b"*", b"a", b"1", b"id", b"2", b"w", b"\x00{}"],
        ],
    ),
    ("SADD t:{id} {tags[]}", [[b"SADD", b"t:1", b"x", b"y"], [b"SADD", b"t:2", b""]]),
    (
        "SADD t a:{tags[]} {id} {tags[]}",
        [[b"SADD", b"t", b"a:x", b"a:y", b"1", b"x", b"y"], [b"SADD", b"t", b"a:", b"2", b""]],
    ),
    ("ZADD z NX 1 {id}", [[b"ZADD", b"z", b"NX", b"1", b"1"], [b"ZADD", b"z", b"NX", b"1", b"2"]]),
]


@cases(("text", "commands"), WRITTEN)
def test_the_wire_decodes_to_the_commands_that_are_meant(text: str, commands: list[list[bytes]]) -> None:
    wire = encoder(text).encode(BATCH)
    assert commands_in(wire) == commands
    assert list(wire.boundaries) == [0, 1, 2]


def test_several_commands_of_a_record_stand_together() -> None:
    wire = encoder("DEL h:{id}", "HSET h:{id} {*}", "EXPIRE h:{id} 9").encode(BATCH)
    assert [(command[0], command[1]) for command in commands_in(wire)] == [
        (b"DEL", b"h:1"),
        (b"HSET", b"h:1"),
        (b"EXPIRE", b"h:1"),
        (b"DEL", b"h:2"),
        (b"HSET", b"h:2"),
        (b"EXPIRE", b"h:2"),
    ]
    assert expected_in(wire) == [0, 3, 1, 0, 2, 1]
    assert (wire.groups, wire.commands_per_group) == (2, 3)


@cases("length", [0, 1, 1023, 1024, 5000])
def test_values_of_any_length_are_sent_whole(length: int) -> None:
    value = b"\xff" * length
    batch = batch_of(
        {"id": [b"1", b"2"], "v": [value, b""], "n": [None, value], "t[]": [[value, b""], [value]]}
    )
    assert commands_in(encoder("HSET {id} {*}", "SADD s {t[]} x{v}").encode(batch)) == [
        [b"HSET", b"1", b"id", b"1", b"v", value],
        [b"SADD", b"s", value, b"", b"x" + value],
        [b"HSET", b"2", b"id", b"2", b"v", b"", b"n", value],
        [b"SADD", b"s", value, b"x"],
    ]


@cases("fields", [1, 511, 512, 600, 1100])
def test_a_record_may_have_any_number_of_fields(fields: int) -> None:
    values: dict[str, list[bytes | None]] = {f"f{number}": [b"v", None] for number in range(fields - 1)}
    batch = batch_of({"id": [b"1", b"2"], **values})
    wire = encoder("HSET {id} {*}").encode(batch)
    assert [len(command) for command in commands_in(wire)] == [2 + 2 * fields, 4]
    assert expected_in(wire) == [fields, 1]


def test_names_of_fields_may_be_any_text() -> None:
    names = ["ä", "", " ", "{*}", "a\r\nb", "#", "line", "n" * 2000]
    batch = batch_of({name: [b"v"] for name in names})
    (written,) = commands_in(encoder("HSET k {*}").encode(batch))
    assert written[2::2] == [name.encode() for name in names]
    assert set(written[3::2]) == {b"v"}


def test_a_name_to_spread_that_no_record_has_is_left_out() -> None:
    batch = batch_of({"a": [b"1"]}, spread=("a", "b"))
    assert commands_in(encoder("HSET k {*}").encode(batch)) == [[b"HSET", b"k", b"a", b"1"]]


LIKELY = [
    *(
        "SET k:{id} {w}",
        "SETEX k:{id} 5 {w}",
        "PSETEX k:{id} 5 {w}",
        "HMSET h:{id} {*}",
        "JSON.SET j:{id} $ {id}",
    ),
    *(
        "JSON.MERGE j:{id} $ {id}",
        "DEL k:{id}",
        "HSET h:{id} {*}",
        "HSET h:{id} a 1 b {w}",
        "HSETNX h:{id} a {w}",
    ),
    *("SADD s:{id} a {w}", "SADD s:{id} {tags[]}", "ZADD z:{id} 1 a 2 {w}", "ZADD z:{id} NX CH 1 a"),
    *("GEOADD g:{id} 1 2 a", "GEOADD g:{id} CH 1 2 a 3 4 b"),
]


@cases("text", LIKELY)
def test_the_likely_reply_is_what_an_empty_server_answers(text: str) -> None:
    wire, model = encoder(text).encode(BATCH), Model()
    answers = b"".join(model.answer(command) for command in commands_in(wire))
    assert wire.expected is not None
    assert bytes(wire.expected) == answers


@pytest.mark.parametrize("text", ["EXPIRE k:{id} 5", "PEXPIRE k:{id} 5", "EXPIREAT k:{id} 5"])
def test_an_expiry_is_likely_to_find_its_key(text: str) -> None:
    wire, model = encoder("SET k:{id} v", text).encode(BATCH), Model()
    assert wire.expected is not None
    assert bytes(wire.expected) == b"".join(model.answer(command) for command in commands_in(wire))


@cases("text", ["RPUSH l {id}", "XADD s * {*}", "INCR n:{id}", "SADD s {tags[]} {id}", "NOSUCH a"])
def test_a_reply_that_nobody_can_know_is_not_guessed(text: str) -> None:
    assert encoder(text).encode(BATCH).expected is None
    assert encoder("SET k:{id} v", text).encode(BATCH).expected is None


# Refusals


def test_records_without_what_a_command_needs_are_refused_where_they_stand() -> None:
    """Taken out for three different reasons, with no numbers to find them again by."""
    batch = batch_of(
        {
            "id": [b"0", None, b"2", b"3", b"4", b"5"],
            "a": [b"x", b"x", None, b"x", b"x", b"x"],
            "t[]": [[b"m"], [b"m"], [b"m"], None, [], [None]],
            "u[]": [None, [b"m"], [b"m"], [b"m"], [b"m"], [b"m"]],
        },
        first=None,
        spread=("a",),
    )
    good, refusals = encoder("SADD s:{id} {t[]}", "SADD u {u[]}", "HSET h {*}").split_encodable(batch)
    assert len(good) == 0
    assert refusals == [
        Refusal(0, "{u[]} has no members"),
        Refusal(1, "it has no field {id}"),
        Refusal(2, "it has no fields"),
        Refusal(3, "{t[]} has no members"),
        Refusal(4, "{t[]} has no members"),
        Refusal(5, "{t[]} has no members"),
    ]


def test_the_records_that_stay_are_those_that_are_not_refused() -> None:
    batch = batch_of({"id": [b"0", None, b"2", b"3"], "t[]": [None, [b"m"], [b"m"], [b"n"]]}, first=100)
    good, refusals = encoder("SADD s:{id} {t[]}").split_encodable(batch)
    assert commands_in(encoder("SADD s:{id} {t[]}").encode(good)) == [
        [b"SADD", b"s:2", b"m"],
        [b"SADD", b"s:3", b"n"],
    ]
    assert good.numbers is not None
    assert good.numbers.to_pylist() == [102, 103]
    assert [refusal.index for refusal in refusals] == [0, 1]


def test_an_array_that_no_record_has_refuses_all() -> None:
    good, refusals = encoder("SADD s {t[]}").split_encodable(batch_of({"id": [b"1", b"2"]}))
    assert (len(good), [refusal.reason for refusal in refusals]) == (0, ["{t[]} has no members"] * 2)


def test_an_expiry_that_is_no_number_is_refused_before_anything_is_written() -> None:
    commands = (parse_command("HSET h:{id} {*}"), parse_command("EXPIRE h:{id} {ttl}"))
    batch = batch_of({"id": [b"1", b"2", b"3"], "ttl": [b"5", b"soon", b"0"]})
    _, refusals = CommandsEncoder(commands, (template("{ttl}"),)).split_encodable(batch)
    assert [refusal.index for refusal in refusals] == [1, 2]


def test_replies_as_expected_mean_that_all_is_written() -> None:
    one = encoder("SET {id} {w}")
    assert one.read_replies(BATCH, one.encode(BATCH), None).written == 2
    assert one.read_replies(BATCH, one.encode(BATCH), [b"OK", b"QUEUED"]).written == 2


def test_a_record_with_any_error_reply_is_refused_once_with_the_first_error() -> None:
    one = encoder("DEL {id}", "HSET {id} {*}", "EXPIRE {id} 5")
    first, second = Exception("WRONGTYPE one"), Exception("ERR two")
    result = one.read_replies(BATCH, one.encode(BATCH), [0, 3, 1, 0, first, second])
    assert (result.written, result.refusals) == (1, (Refusal(1, first),))


# Any records

VALUES = st.none() | st.binary(max_size=8)
NAMES = st.lists(
    st.text(max_size=4).filter(lambda name: not name.endswith("[]")), min_size=1, max_size=5, unique=True
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Batch, list[dict[str, Any]]]:
    count = draw(st.integers(1, 10))
    fields: dict[str, list[Any]] = {
        name: draw(st.lists(VALUES, min_size=count, max_size=count)) for name in draw(NAMES)
    }
    members = st.none() | st.lists(VALUES, max_size=3)
    fields["t[]"] = draw(st.lists(members, min_size=count, max_size=count))
    batch = batch_of(fields, first=draw(st.none() | st.integers(0, 10**12)))
    return batch, [{name: values[index] for name, values in fields.items()} for index in range(count)]


@given(batches())
def test_any_records_become_the_commands_that_a_loop_would_make(
    given_batch: tuple[Batch, list[dict[str, Any]]],
) -> None:
    batch, records = given_batch
    one = encoder("HSET h {*}", "SADD s x{t[]} y")
    expected: list[list[bytes]] = []
    refused = []
    for index, record in enumerate(records):
        members = [b"x" + member for member in record.pop("t[]") or () if member is not None]
        fields = [
            part for name, value in record.items() if value is not None for part in (name.encode(), value)
        ]
        if fields and members:
            expected += [[b"HSET", b"h", *fields], [b"SADD", b"s", *members, b"y"]]
        else:
            refused.append(index)
    good, refusals = one.split_encodable(batch)
    assert [refusal.index for refusal in refusals] == refused
    if len(good):
        assert commands_in(one.encode(good)) == expected
    assert len(good) + len(refused) == len(records)


@given(batches(), st.sampled_from(["HSET h:{id} {*}", "SADD s:{id} {t[]}", "SET {id} v"]))
def test_any_likely_reply_parses_to_one_reply_a_command(
    given_batch: tuple[Batch, list[dict[str, Any]]], text: str
) -> None:
    batch, _ = given_batch
    one = encoder(text.replace("{id}", "k"))
    good, _ = one.split_encodable(batch)
    if len(good):
        wire = one.encode(good)
        assert wire.expected is not None
        assert len(replies_in(bytes(wire.expected))) == wire.commands == len(good)


@cases(
    ("texts", "replies", "counted"),
    [
        (("SET k:{id} v NX",), [b"OK", None], (1, 1)),
        (("SET k:{id} v NX",), [None, None], (0, 2)),
        (("SET k:{id} v NX", "XADD s NOMKSTREAM * f {id}"), [None, None, None, b"1-1"], (1, 1)),
        # Here nil says that there was nothing before.
        (("SET k:{id} v GET",), [None, b"old"], (2, 0)),
        (("SET k:{id} v EX 5 get",), [None, b"old"], (2, 0)),
        (("GETSET k:{id} v",), [None, None], (2, 0)),
        (("SET k:{id} v GET", "SET l:{id} v NX"), [None, None, None, None], (2, 0)),
    ],
)
def test_a_record_of_which_every_command_answers_nil_is_skipped(
    texts: tuple[str, ...], replies: list[Any], counted: tuple[int, int]
) -> None:
    batch = batch_of({"id": [b"1", b"2"]})
    wire = encoder(*texts).encode(batch)
    result = encoder(*texts).read_replies(batch, wire, replies)
    assert (result.written, result.skipped) == counted
    assert result.refusals == ()
