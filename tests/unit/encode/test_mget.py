"""MGET: the way back, and the very bytes that a server answers when it holds what the source has."""

from __future__ import annotations

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode import mget
from etl.encode.mget import MgetVerifier
from tests.unit.given import VALUE, batch_of, commands_in, replies_in, stream_of, template

VERIFIER = MgetVerifier(template("k:{#}"), VALUE)


@given(st.lists(st.binary(max_size=40), max_size=50), st.integers(0, 10**12))
def test_the_wire_asks_for_every_key_and_expects_every_value(lines: list[bytes], first: int) -> None:
    wire = VERIFIER.encode(batch_of(lines, first))
    commands = commands_in(stream_of(wire))
    keys = [key for command in commands for key in command[1:]]
    assert keys == [b"k:%d" % number for number in range(first, first + len(lines))]
    replies = replies_in(bytes(wire.expected))
    assert [len(reply) for reply in replies] == [len(command) - 1 for command in commands]
    assert [value for reply in replies for value in reply] == lines
    assert (wire.records, wire.commands, wire.nbytes) == (len(lines), len(commands), len(stream_of(wire)))


@pytest.mark.parametrize(("records", "groups"), [(1, [1]), (512, [512]), (513, [512, 1])])
def test_a_group_has_at_most_512_records(records: int, groups: list[int]) -> None:
    wire = VERIFIER.encode(batch_of([b"v"] * records))
    assert [len(command) - 1 for command in commands_in(stream_of(wire))] == groups


def test_no_reply_is_over_a_mebibyte_unless_it_holds_one_value() -> None:
    big = b"x" * (mget.GROUP_REPLY_BYTES // 2)
    wire = VERIFIER.encode(batch_of([big, b"a", big, b"b", big * 4, b"c"]))
    assert replies_in(bytes(wire.expected)) == [[big, b"a"], [big, b"b"], [big * 4], [b"c"]]


def test_expected_replies_mean_that_all_is_equal() -> None:
    batch = batch_of([b"v"] * 600)
    assert VERIFIER.judge(batch, VERIFIER.encode(batch), None).equal == 600


def test_missing_and_different_values_are_told_apart_and_shown() -> None:
    batch = batch_of([b"a", b"", b"c", b"d"], 10)
    verdict = VERIFIER.judge(batch, VERIFIER.encode(batch), [[b"a", None, b"", b"D"]])
    assert (verdict.equal, verdict.missing, verdict.different) == (1, 1, 2)
    assert [(d.index, d.key, d.expected, d.found) for d in verdict.differences] == [
        (1, b"k:11", b"", None),
        (2, b"k:12", b"c", b""),
        (3, b"k:13", b"d", b"D"),
    ]
    assert verdict.refusals == ()


def test_differences_in_a_later_group_have_their_index_in_the_batch() -> None:
    batch = batch_of([b"v"] * 600)
    replies = [[b"v"] * 512, [b"v"] * 87 + [b"w"]]
    verdict = VERIFIER.judge(batch, VERIFIER.encode(batch), replies)
    assert (verdict.equal, verdict.different) == (599, 1)
    assert [(d.index, d.key) for d in verdict.differences] == [(599, b"k:599")]


@pytest.mark.parametrize("reply", [hiredis.ReplyError("NOPERM no"), None, b"v", 3, [b"v"], [b"v"] * 3])
def test_a_reply_that_is_no_array_of_that_length_refuses_its_group(reply: object) -> None:
    batch = batch_of([b"v"] * 514)
    verdict = VERIFIER.judge(batch, VERIFIER.encode(batch), [[b"v"] * 512, reply])
    assert (verdict.equal, verdict.missing, verdict.different) == (512, 0, 0)
    assert [refusal.index for refusal in verdict.refusals] == [512, 513]


def test_parsed_replies_that_are_equal_are_equal() -> None:
    batch = batch_of([b"v", b"w"])
    assert VERIFIER.judge(batch, VERIFIER.encode(batch), [[b"v", b"w"]]).equal == 2
