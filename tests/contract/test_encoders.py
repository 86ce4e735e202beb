"""The contract of an Encoder (``etl/plan.py``), for every strategy: a new one is a new line in ENCODERS."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import hiredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.encode.mget import MgetVerifier
from etl.encode.mset import MsetEncoder
from etl.encode.set import SetEncoder
from etl.plan import Encoder
from etl.report import Verdict
from tests.unit.given import VALUE, batch_of, commands_in, replies_in, stream_of, template

KEY = template("k:{#}")

ENCODERS: dict[str, Encoder] = {
    "mset": MsetEncoder(KEY, VALUE),
    "mset-line-as-key": MsetEncoder(template("{line}"), VALUE),
    "set": SetEncoder(KEY, VALUE, None, "replace"),
    "set-ttl": SetEncoder(KEY, VALUE, 60_000, "replace"),
    "set-skip": SetEncoder(KEY, VALUE, None, "skip"),
    "set-fail-ttl": SetEncoder(KEY, VALUE, 60_000, "fail"),
    "mget": MgetVerifier(KEY, VALUE),
}

LINES = st.lists(st.binary(max_size=20), min_size=1, max_size=30)
REPLY = st.sampled_from([b"OK", None, 0, b"", [], [b"OK"], [None], hiredis.ReplyError("OOM no")])

quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return ENCODERS[request.param]


def accounted(verdict: Verdict) -> int:
    counted = verdict.written + verdict.skipped + verdict.equal + verdict.missing + verdict.different
    return counted + len(verdict.refusals)


@quick
@given(lines=LINES, first=st.integers(0, 1 << 40))
def test_a_wire_is_commands_in_arrays_of_bulk_strings_that_cover_the_batch(
    encoder: Encoder, lines: list[bytes], first: int
) -> None:
    wire = encoder.encode(batch_of(lines, first))
    commands = commands_in(stream_of(wire))
    assert wire.commands == len(commands) == len(wire.boundaries) - 1
    assert wire.records == len(lines)
    assert wire.boundaries[0] == 0
    assert all(before < after for before, after in pairwise(wire.boundaries))
    assert wire.nbytes == len(stream_of(wire))
    assert len(replies_in(bytes(wire.expected))) == wire.commands


@quick
@given(lines=LINES, command=st.integers(0, 29))
def test_a_command_carries_the_records_of_its_boundaries(
    encoder: Encoder, lines: list[bytes], command: int
) -> None:
    batch = batch_of(lines)
    wire = encoder.encode(batch)
    commands = commands_in(stream_of(wire))
    command %= len(commands)
    start, stop = wire.boundaries[command], wire.boundaries[command + 1]
    assert commands_in(stream_of(encoder.encode(batch.slice(start, stop - start)))) == [commands[command]]


@quick
@given(lines=LINES)
def test_replies_as_expected_and_the_same_ones_parsed_have_one_verdict(
    encoder: Encoder, lines: list[bytes]
) -> None:
    batch = batch_of(lines)
    wire = encoder.encode(batch)
    compared = encoder.judge(batch, wire, None)
    assert compared == encoder.judge(batch, wire, replies_in(bytes(wire.expected)))
    assert accounted(compared) == compared.written + compared.equal == len(lines)


@quick
@given(lines=LINES, data=st.data())
def test_whatever_the_replies_every_record_is_accounted_for_once(
    encoder: Encoder, lines: list[bytes], data: st.DataObject
) -> None:
    batch = batch_of(lines)
    wire = encoder.encode(batch)
    replies: list[Any] = data.draw(st.lists(REPLY, min_size=wire.commands, max_size=wire.commands))
    verdict = encoder.judge(batch, wire, replies)
    assert accounted(verdict) == len(lines)
    indices = [refusal.index for refusal in verdict.refusals]
    assert indices == sorted(set(indices))
    assert all(0 <= index < len(lines) for index in indices)
    assert all(isinstance(refusal.reason, (Exception, str)) for refusal in verdict.refusals)
    assert all(difference.key is not None for difference in verdict.differences)


def test_an_error_reply_refuses_the_records_of_its_command_and_no_others(encoder: Encoder) -> None:
    batch = batch_of([b"%d" % number for number in range(1000)])
    wire = encoder.encode(batch)
    replies = replies_in(bytes(wire.expected))
    error = hiredis.ReplyError("OOM no")
    replies[1] = error
    verdict = encoder.judge(batch, wire, replies)
    assert [refusal.index for refusal in verdict.refusals] == list(
        range(wire.boundaries[1], wire.boundaries[2])
    )
    assert {refusal.reason for refusal in verdict.refusals} == {error}
    assert verdict.written + verdict.equal == 1000 - len(verdict.refusals)


def test_an_encoder_travels_and_encodes_there_as_here(encoder: Encoder) -> None:
    travelled: Encoder = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - our own
    batch = batch_of([b"a", b"b\r\n"])
    assert travelled == encoder
    assert stream_of(travelled.encode(batch)) == stream_of(encoder.encode(batch))


@pytest.mark.parametrize(
    "line", [b"", b"\0", b"\r\nFLUSHALL\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"x" * (1 << 20)]
)
def test_data_cannot_become_a_command(encoder: Encoder, line: bytes) -> None:
    commands = commands_in(stream_of(encoder.encode(batch_of([line] * 3))))
    assert {command[0] for command in commands} <= {b"MSET", b"SET", b"MGET"}
