"""MSET: the commands that are meant, in groups, and what their replies mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.strategies import mset
from etl.encode.strategies.mset import MsetEncoder
from etl.sink.error_replies import error_reply
from tests.cases import cases
from tests.unit.encode.given import commands_in, expected_in, lines_batch, template

ENCODER = MsetEncoder(template("k:{#}"), template("{line}"))
OOM = error_reply("OOM command not allowed")


@given(st.lists(st.binary(max_size=40), max_size=50), st.integers(0, 10**12))
def test_the_wire_decodes_to_msets_of_every_record_in_order(lines: list[bytes], first: int) -> None:
    wire = ENCODER.encode(lines_batch(lines, first))
    commands = commands_in(wire)
    assert {command[0] for command in commands} <= {b"MSET"}
    pairs = [part for command in commands for part in command[1:]]
    assert pairs[0::2] == [b"k:%d" % number for number in range(first, first + len(lines))]
    assert pairs[1::2] == lines
    assert (wire.records, wire.commands) == (len(lines), len(commands))


@pytest.mark.parametrize(
    ("records", "groups"), [(1, [1]), (512, [512]), (513, [512, 1]), (1100, [512, 512, 76])]
)
def test_a_group_has_at_most_512_records(records: int, groups: list[int]) -> None:
    wire = ENCODER.encode(lines_batch([b"v"] * records))
    assert [(len(command) - 1) // 2 for command in commands_in(wire)] == groups
    assert expected_in(wire) == [b"OK"] * len(groups)


def test_a_group_has_at_most_a_mebibyte_but_a_bigger_record_one_of_its_own() -> None:
    big = b"x" * (mset.GROUP_BYTES // 2)
    huge = b"y" * (2 * mset.GROUP_BYTES)
    wire = ENCODER.encode(lines_batch([big, b"a", big, b"b", huge, b"c"]))
    assert [command[2::2] for command in commands_in(wire)] == [
        [big, b"a"],
        [big, b"b"],
        [huge],
        [b"c"],
    ]


def test_values_that_look_like_protocol_stay_values() -> None:
    lines = [b"\r\nFLUSHALL\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"\0", b"$-1\r\n", b""]
    (command,) = commands_in(ENCODER.encode(lines_batch(lines)))
    assert command[2::2] == lines


def test_a_key_may_hold_braces_the_line_and_no_field_at_all() -> None:
    for text, key in (("{{{#}}}:{line}", b"{7}:v"), ("{line}", b"v"), ("same", b"same"), ("", b"")):
        wire = MsetEncoder(template(text), template("{line}")).encode(lines_batch([b"v"], 7))
        assert commands_in(wire) == [[b"MSET", key, b"v"]]


def test_a_batch_without_numbers_serves_a_key_without_a_number() -> None:
    wire = MsetEncoder(template("{line}"), template("{line}")).encode(lines_batch([b"a", b"b"], None))
    assert commands_in(wire) == [[b"MSET", b"a", b"a", b"b", b"b"]]


def test_expected_replies_mean_that_all_is_written() -> None:
    batch = lines_batch([b"v"] * 600)
    result = ENCODER.read_replies(batch, ENCODER.encode(batch), None)
    assert (result.written, result.skipped, result.refusals) == (600, 0, ())


@cases("reply", [OOM, None, 1, b"QUEUED", [b"OK"], b"ok"])
def test_any_other_reply_refuses_the_records_of_its_group_and_no_others(reply: object) -> None:
    batch = lines_batch([b"v"] * 600)
    result = ENCODER.read_replies(batch, ENCODER.encode(batch), [b"OK", reply])
    assert result.written == 512
    assert [refusal.index for refusal in result.refusals] == list(range(512, 600))
    reason = result.refusals[0].reason
    assert reason is reply if isinstance(reply, Exception) else reason == f"MSET answered {reply!r}"


def test_parsed_replies_that_are_ok_mean_that_all_is_written() -> None:
    batch = lines_batch([b"v"] * 600)
    assert ENCODER.read_replies(batch, ENCODER.encode(batch), [b"OK", b"OK"]).written == 600
