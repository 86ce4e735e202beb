"""Strings for a cluster: an MSET a slot, a SET where a slot has one record."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.slots import slot_of, slots_of
from etl.encode.strategies.mset import GROUP_RECORDS
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.plan import Batch
from tests.unit.given import batch_of, parse_commands, stream_of, template

ENCODER = SlotMsetEncoder(template("{#}"), template("{line}"))


def by_slot(batch: Batch, encoder: SlotMsetEncoder = ENCODER) -> Batch:
    slots = slots_of(encoder.keys(batch))
    order = pc.sort_indices(slots)
    return replace(batch.take(order), slots=slots.take(order))


def test_records_of_a_slot_are_one_command_in_their_order_and_none_is_lost() -> None:
    batch = batch_of([b"line %d" % number for number in range(20_000)])
    wire = ENCODER.encode(by_slot(batch))
    commands = parse_commands(stream_of(wire))
    written: dict[bytes, bytes] = {}
    for command in commands:
        keys = command[1::2]
        assert len({slot_of(key) for key in keys}) == 1
        assert command[0] == (b"SET" if len(keys) == 1 else b"MSET")
        assert [int(key) for key in keys] == sorted(int(key) for key in keys)
        written.update(zip(keys, command[2::2], strict=True))
    assert written == {b"%d" % number: b"line %d" % number for number in range(20_000)}
    assert (wire.commands, wire.records) == (len(commands), 20_000)
    assert len(commands) < 13_000
    assert wire.expected == b"+OK\r\n" * len(commands)


def test_a_batch_that_is_not_by_slot_is_set_one_by_one() -> None:
    wire = ENCODER.encode(batch_of([b"a", b"b"]))
    assert parse_commands(stream_of(wire)) == [[b"SET", b"0", b"a"], [b"SET", b"1", b"b"]]


def test_many_records_and_long_ones_of_one_slot_are_cut_into_commands() -> None:
    one = SlotMsetEncoder(template("{{tag}}:{#}"), template("{line}"))
    many = one.encode(by_slot(batch_of([b"x"] * (2 * GROUP_RECORDS)), one))
    assert max(len(command) // 2 for command in parse_commands(stream_of(many))) <= GROUP_RECORDS
    long = one.encode(by_slot(batch_of([b"x" * 700_000] * 6), one))
    assert max(len(b"".join(command)) for command in parse_commands(stream_of(long))) < 2_000_000


def test_a_group_that_is_refused_is_refused_as_a_whole() -> None:
    error = ValueError("TRYAGAIN")
    batch = replace(batch_of([b"a", b"b", b"c"]), slots=pa.array([1, 1, 2], pa.uint16()))
    wire = ENCODER.encode(batch)
    result = ENCODER.read_replies(batch, wire, [error, b"OK"])
    assert (result.written, [refusal.index for refusal in result.refusals]) == (1, [0, 1])
