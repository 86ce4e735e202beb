"""SET with an expiry or a condition: one command and one reply a record."""

from __future__ import annotations

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.set import SetEncoder
from tests.unit.given import VALUE, batch_of, commands_in, replies_in, stream_of, template

OOM = hiredis.ReplyError("OOM command not allowed")


def encoder(ttl_ms: int | None = None, if_exists: str = "replace") -> SetEncoder:
    return SetEncoder(template("k:{#}"), VALUE, ttl_ms, if_exists)


@pytest.mark.parametrize(
    ("ttl_ms", "if_exists", "tail"),
    [
        (None, "replace", []),
        (1, "replace", [b"PX", b"1"]),
        (1500, "skip", [b"PX", b"1500", b"NX"]),
        (None, "skip", [b"NX"]),
        (None, "fail", [b"NX"]),
        (10**14, "fail", [b"PX", b"100000000000000", b"NX"]),
    ],
)
@given(lines=st.lists(st.binary(max_size=40), max_size=20), first=st.integers(0, 10**12))
def test_the_wire_decodes_to_a_set_a_record(
    ttl_ms: int | None, if_exists: str, tail: list[bytes], lines: list[bytes], first: int
) -> None:
    wire = encoder(ttl_ms, if_exists).encode(batch_of(lines, first))
    assert commands_in(stream_of(wire)) == [
        [b"SET", b"k:%d" % number, line, *tail] for number, line in enumerate(lines, first)
    ]
    assert list(wire.boundaries) == list(range(len(lines) + 1))
    assert replies_in(bytes(wire.expected)) == [b"OK"] * len(lines)
    assert wire.nbytes == len(stream_of(wire))


def test_a_megabyte_and_an_empty_value_are_sent_whole() -> None:
    lines = [b"", b"x" * (1 << 20), b""]
    wire = encoder().encode(batch_of(lines))
    assert [command[2] for command in commands_in(stream_of(wire))] == lines


@pytest.mark.parametrize(
    ("if_exists", "replies", "written", "skipped", "refused"),
    [
        ("replace", None, 3, 0, []),
        ("skip", None, 3, 0, []),
        ("replace", [b"OK"] * 3, 3, 0, []),
        ("skip", [b"OK", None, None], 1, 2, []),
        ("skip", [None, None, None], 0, 3, []),
        ("fail", [b"OK", None, b"OK"], 2, 0, [1]),
        ("fail", [None, None, None], 0, 0, [0, 1, 2]),
        ("replace", [None, b"OK", b"OK"], 2, 0, [0]),
        ("skip", [OOM, None, b"OK"], 1, 1, [0]),
        ("skip", [b"old", None, b"OK"], 1, 1, [0]),
        ("replace", [OOM, OOM, OOM], 0, 0, [0, 1, 2]),
        ("fail", [1, [], b"OK"], 1, 0, [0, 1]),
    ],
)
def test_every_kind_of_reply_has_its_meaning(
    if_exists: str, replies: list[object] | None, written: int, skipped: int, refused: list[int]
) -> None:
    batch = batch_of([b"a", b"b", b"c"])
    judge = encoder(if_exists=if_exists)
    verdict = judge.judge(batch, judge.encode(batch), replies)
    assert (verdict.written, verdict.skipped) == (written, skipped)
    assert [refusal.index for refusal in verdict.refusals] == refused
    assert written + skipped + len(refused) == 3


def test_a_refusal_says_why() -> None:
    batch = batch_of([b"a", b"b", b"c"])
    judge = encoder(if_exists="fail")
    verdict = judge.judge(batch, judge.encode(batch), [None, OOM, b"odd"])
    assert [refusal.reason for refusal in verdict.refusals] == ["its key exists", OOM, "SET answered b'odd'"]
