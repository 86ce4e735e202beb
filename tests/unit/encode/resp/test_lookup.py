"""Bytes looked up by lengths: neighbours become one piece, and say the same as before."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.lookup import LONGEST_TABLE, Lookup, join_lookups, lookup
from etl.encode.resp.protocol import join_column
from tests.cases import cases


def number(length: int) -> bytes:
    return b"%d," % length


def bracket(length: int) -> bytes:
    return b"[%d]" % length


def joined(pieces: list[Any], records: int) -> list[bytes]:
    texts: list[bytes] = join_column(pieces, records).to_pylist()
    return texts


def plain(piece: Any) -> Any:
    return piece.column() if isinstance(piece, Lookup) else piece


LENGTHS = [
    pa.array([0, 1, 2], pa.int32()),
    pa.array([100, 15, 16], pa.int32()),
    pa.array([3, None, 5], pa.int32()),
    pa.array([None, None, None], pa.int32()),
    pa.array([LONGEST_TABLE - 1, 7, 9], pa.int32()),
    pa.array([LONGEST_TABLE, None, 70_000], pa.int32()),
]


def looked_up(lengths: pa.Array) -> Any:
    return lookup(number, lengths, max((x for x in lengths.to_pylist() if x is not None), default=0))


pieces = st.one_of(
    st.sampled_from([b"", b"x", b"yz"]),
    st.sampled_from(LENGTHS).map(looked_up),
    st.just(pa.array([b"a", None, b"c"], pa.binary())),
)


@given(st.lists(pieces, min_size=1, max_size=8))
def test_fused_pieces_say_what_the_pieces_say(parts: list[Any]) -> None:
    assert joined(join_lookups(parts), 3) == joined([plain(part) for part in parts], 3)


@cases("lengths", LENGTHS)
def test_a_length_gives_its_bytes_and_null_gives_nothing(lengths: pa.Array) -> None:
    longest = max((x for x in lengths.to_pylist() if x is not None), default=0)
    column = plain(lookup(bracket, lengths, longest, before=b"a", after=b"z"))
    assert column.to_pylist() == [None if x is None else b"a[%d]z" % x for x in lengths.to_pylist()]


def test_two_lookups_and_the_constant_between_become_one_column() -> None:
    (column,) = join_lookups([b"<", looked_up(LENGTHS[0]), b"|", looked_up(LENGTHS[1]), b">"])
    assert column.to_pylist() == [b"<0,|100,>", b"<1,|15,>", b"<2,|16,>"]


def test_a_constant_beside_a_lookup_with_nulls_is_there_for_every_record() -> None:
    assert joined(join_lookups([b"<", looked_up(LENGTHS[2]), b">"]), 3) == [b"<3,>", b"<>", b"<5,>"]


def test_pairs_of_long_lengths_stay_apart() -> None:
    long = pa.array([500, 600], pa.int32())
    assert len(join_lookups([looked_up(long), looked_up(long)])) == 2
