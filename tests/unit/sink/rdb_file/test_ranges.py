"""Ranges of a file: what lies between them, and one CRC of them all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.rdb.file import crc_of
from etl.sink.rdb_file.ranges import Range, joined, lay_out, parse_range


def test_what_is_written_of_a_range_is_read_again() -> None:
    written = Range(1, 10, 5, 7, 1 << 63, 3, 2, 1)
    assert parse_range(written.value) == written


@pytest.mark.parametrize("text", [b"", b"1 2 3 4 5", b"1 2 3 4 5 6 7 8 9", b"1 2 x 4 5 6 7 8"])
def test_what_is_no_range_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"numbers|literal"):
        parse_range(text)


def test_gaps_are_what_no_range_has() -> None:
    ranges = [Range(0, 30, 10, 10, 0, 2, 0), Range(0, 10, 5, 5, 0, 1, 0), Range(0, 15, 5, 5, 0, 1, 0)]
    layout = lay_out(ranges, 8)
    assert layout.gaps == [(8, 2), (20, 10)]
    assert (layout.end, layout.keys) == (40, 4)
    assert lay_out([], 8).end == 8


def test_ranges_that_lie_in_one_another_are_refused() -> None:
    with pytest.raises(ValueError, match="byte 14"):
        lay_out([Range(0, 10, 5, 5, 0, 1, 0), Range(0, 14, 5, 5, 0, 1, 0)], 10)


@given(st.lists(st.binary(max_size=30)))
def test_the_crc_of_parts_is_that_of_all_of_them(parts: list[bytes]) -> None:
    assert joined([(crc_of(part), len(part)) for part in parts]) == crc_of(b"".join(parts))
