"""Records merged into commands with many members of one key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.command import Command, parse_command
from etl.encode.strategies import merged as members
from etl.encode.strategies.merged import MembersEncoder, mergeable
from etl.plan import Refusal
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, expected_in, lines_batch
from tests.unit.encode.model import Model


@cases(
    ("text", "merges"),
    [
        ("SADD all {id}", True),
        ("SADD all a {id}", True),
        ("SADD all x:{id}:{v}", True),
        ("SADD all", False),
        ("SADD s:{id} {v}", False),
        ("SADD all {tags[]}", False),
        ("SADD all {*}", False),
        ("RPUSH all {id}", True),
        ("LPUSH all {id}", True),
        ("ZADD all {score} {id}", True),
        ("ZADD all NX CH {score} {id}", True),
        ("ZADD all INCR {score} {id}", False),
        ("ZADD all {flag} {score} {id}", False),
        ("ZADD {score} {id}", False),
        ("HSET all {id} {v}", True),
        ("HSET h:{id} f {v}", False),
        ("GEOADD all {a} {b} {id}", True),
        ("PFADD all {id}", True),
        ("DEL k:{id}", True),
        ("UNLINK k:{id}", True),
        ("SET all {id}", False),
        ("XADD all * f {id}", False),
    ],
)
def test_only_what_differs_in_its_last_member_can_be_merged(text: str, merges: bool) -> None:
    assert mergeable(parse_command(text)) == merges


def encoder(text: str, then: str | None = None) -> MembersEncoder:
    constant: Command | None = None if then is None else parse_command(then)
    return MembersEncoder(parse_command(text), constant)


@given(st.lists(st.binary(max_size=40), max_size=50), st.integers(0, 10**12))
def test_the_wire_decodes_to_every_member_in_order(lines: list[bytes], first: int) -> None:
    wire = encoder("SADD all {line}:{#}").encode(lines_batch(lines, first))
    assert [member for command in commands_in(wire) for member in command[2:]] == [
        b"%b:%d" % (line, number) for number, line in enumerate(lines, first)
    ]
    assert {tuple(command[:2]) for command in commands_in(wire)} <= {(b"SADD", b"all")}
    assert wire.records == len(lines)


@cases("length", [0, 1, 1023, 1024, 5000])
def test_members_of_any_length_are_sent_whole(length: int) -> None:
    value = b"x" * length
    batch = batch_of({"s": [b"1", b"2"], "m": [value, b""]})
    assert commands_in(encoder("ZADD z NX {s} {m}").encode(batch)) == [
        [b"ZADD", b"z", b"NX", b"1", value, b"2", b""]
    ]


@pytest.mark.parametrize(
    ("records", "groups"), [(1, [1]), (512, [512]), (513, [512, 1]), (1100, [512, 512, 76])]
)
def test_a_group_has_at_most_512_records(records: int, groups: list[int]) -> None:
    wire = encoder("SADD all {#}").encode(lines_batch([b"v"] * records))
    assert [len(command) - 2 for command in commands_in(wire)] == groups
    assert expected_in(wire) == groups
    assert list(wire.boundaries) == [0, *(sum(groups[: end + 1]) for end in range(len(groups)))]


def test_a_group_has_at_most_a_mebibyte_but_a_bigger_record_one_of_its_own() -> None:
    big = b"x" * (members.GROUP_BYTES // 2)
    wire = encoder("RPUSH all {line}").encode(lines_batch([big, b"a", big, b"b", big * 4, b"c"]))
    assert [command[2:] for command in commands_in(wire)] == [[big, b"a"], [big, b"b"], [big * 4], [b"c"]]


def test_what_stands_behind_each_group_is_sent_and_answered() -> None:
    wire = encoder("SADD all {#}", "PEXPIRE all 5").encode(lines_batch([b"v"] * 600))
    assert [command[0] for command in commands_in(wire)] == [b"SADD", b"PEXPIRE"] * 2
    assert expected_in(wire) == [512, 1, 88, 1]
    assert (wire.groups, wire.commands) == (2, 4)


@cases("text", ["SADD all {id}", "ZADD all {id} {id}", "HSET all {id} x", "GEOADD all 1 2 {id}"])
@cases("then", [None, "EXPIRE all 9"])
def test_the_likely_reply_is_what_an_empty_server_answers(text: str, then: str | None) -> None:
    batch = batch_of({"id": [b"%d" % number for number in range(600)]})
    wire, model = encoder(text, then).encode(batch), Model()
    assert wire.expected is not None
    assert bytes(wire.expected) == b"".join(model.answer(command) for command in commands_in(wire))


@pytest.mark.parametrize("text", ["RPUSH all {id}", "LPUSH all {id}", "PFADD all {id}", "DEL k:{id}"])
def test_a_reply_that_nobody_can_know_is_not_guessed(text: str) -> None:
    assert encoder(text).encode(batch_of({"id": [b"1"]})).expected is None


def test_a_group_with_an_error_is_to_be_sent_again_record_by_record() -> None:
    one = encoder("SADD all {#}", "PEXPIRE all 5")
    batch = lines_batch([b"v"] * 1100)
    wire = one.encode(batch)
    assert one.read_replies(batch, wire, None).written == 1100
    error = Exception("WRONGTYPE no")
    result = one.read_replies(batch, wire, [512, 1, error, 0, 76, 1])
    assert (result.written, result.refusals) == (588, ())
    assert list(result.again) == list(range(512, 1024))


def test_fewer_members_than_records_are_written_all_the_same() -> None:
    one = encoder("SADD all {id}")
    batch = batch_of({"id": [b"1", b"1"]})
    assert one.read_replies(batch, one.encode(batch), [1]).written == 2


def test_records_without_the_member_are_refused() -> None:
    batch = batch_of({"id": [b"1", None, b"3"]}, first=None)
    good, refusals = encoder("SADD all {id}").split_encodable(batch)
    assert commands_in(encoder("SADD all {id}").encode(good)) == [[b"SADD", b"all", b"1", b"3"]]
    assert refusals == [Refusal(1, "it has no field {id}")]
