"""RESP vectorised: every length right, every byte as it is, and a null leaves nothing behind."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.protocol import (
    CRLF,
    Joined,
    argument,
    arguments,
    arity,
    bulk,
    groups,
    integer_reply,
    join,
    text_column,
)
from tests.cases import cases

VALUES = st.lists(st.binary(max_size=30), min_size=1, max_size=20)
LENGTHS = [0, 1, 9, 10, 11, 99, 100, 999, 1000, 1023, 1024, 1025, 5000, 65_535, 1 << 20]


def column(values: list[Any]) -> pa.Array:
    return pa.array(values, pa.binary())


def parts(joined: Joined) -> list[bytes]:
    return [bytes(joined.data[a:b]) for a, b in pairwise(joined.offsets)]


def written(pieces: list[Any], records: int, **options: Any) -> list[bytes]:
    return parts(join(arguments(pieces, **options), records))


def test_a_constant_argument_has_its_line_break_in_front_and_a_bulk_string_behind() -> None:
    assert argument(b"") == b"\r\n$0\r\n"
    assert argument(b"a\r\nb") == b"\r\n$4\r\na\r\nb"
    assert bulk(b"a\r\nb") == b"$4\r\na\r\nb\r\n"


@given(VALUES)
def test_any_column_becomes_arguments(values: list[bytes]) -> None:
    assert written([column(values)], len(values)) == [argument(value) for value in values]


@given(VALUES)
def test_literals_and_columns_are_joined_in_order(values: list[bytes]) -> None:
    pieces = [b"a:", column(values), b"", column(values), b"}b"]
    assert written(pieces, len(values)) == [argument(b"a:%b%b}b" % (value, value)) for value in values]


@cases("length", LENGTHS)
@cases("before", [b"", b"x" * 5])
def test_lengths_of_every_number_of_digits_are_right(length: int, before: bytes) -> None:
    values = [b"a" * length, b"", b"b" * max(length - 1, 0)]
    assert written([before, column(values)], 3) == [argument(before + value) for value in values]


@cases("literal", [b"", b"x", b"y" * 9, b"y" * 10, b"y" * 1024])
def test_literals_only_are_the_same_for_every_record(literal: bytes) -> None:
    assert written([literal], 2) == [argument(literal)] * 2
    assert written([literal], 2, before=argument(b"f")) == [argument(b"f") + argument(literal)] * 2


def test_no_piece_at_all_is_an_empty_argument() -> None:
    assert written([], 2) == [argument(b"")] * 2


@given(st.lists(st.none() | st.binary(max_size=5), min_size=1, max_size=20), st.sampled_from([b"", b"name"]))
def test_a_null_leaves_no_byte_behind(values: list[bytes | None], name: bytes) -> None:
    before = argument(name) if name else b""
    assert written([column(values)], len(values), before=before) == [
        b"" if value is None else before + argument(value) for value in values
    ]


@pytest.mark.parametrize("longest", [3, 1023, 1024, 5000])
def test_a_null_beside_values_of_any_length_leaves_no_byte_behind(longest: int) -> None:
    value = b"v" * longest
    for before in (b"", argument(b"name")):
        expected = [before + argument(value), b"", before + argument(b"")]
        assert written([column([value, None, b""])], 3, before=before) == expected


def test_columns_of_nulls_only_are_no_bytes() -> None:
    assert written([column([None, None])], 2) == [b"", b""]
    assert written([column([None, None])], 2, before=argument(b"n")) == [b"", b""]


def test_a_part_of_a_column_is_encoded_like_a_column() -> None:
    values = column([b"a", b"bb", b"", b"dddd", b"e"]).slice(2, 2)
    assert written([values], 2) == [argument(b""), argument(b"dddd")]


def test_no_records_are_no_bytes() -> None:
    for pieces in ([b"x"], [column([])], [b"x", column([])]):
        joined = join(arguments(pieces), 0)
        assert (bytes(joined.data), list(joined.offsets)) == (b"", [0])


def test_a_part_of_what_was_joined_is_the_bytes_of_its_records() -> None:
    joined = join([column([b"a", b"bb", b"", b"c"]), b"-"], 4)
    assert bytes(joined.slice(1, 3)) == b"bb--"
    assert bytes(joined.slice(0, 4)) == b"a-bb--c-"
    assert bytes(joined.slice(2, 2)) == b""


# Heads and integers


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20), st.integers(0, 3))
def test_heads_and_integers_are_the_numbers(counts: list[int], fixed: int) -> None:
    numbers = pa.array(counts, pa.int32())
    records = len(counts)
    assert parts(join([arity(fixed, numbers), CRLF], records)) == [b"*%d\r\n" % (fixed + n) for n in counts]
    assert parts(join(integer_reply(numbers), records)) == [b":%d\r\n" % n for n in counts]


@cases("counts", [[1, 2], [0, 1], [1023, 1024], [1022, 1023], [5, 5], [2000, 1]])
def test_heads_at_the_edges_of_the_table_are_right(counts: list[int]) -> None:
    numbers = pa.array(counts, pa.int32())
    assert parts(join([arity(1, numbers), CRLF], 2)) == [b"*%d\r\n" % (1 + n) for n in counts]
    assert parts(join(integer_reply(numbers), 2)) == [b":%d\r\n" % n for n in counts]


# Text


@cases(
    ("pieces", "text"),
    [
        ([], [b"", b""]),
        ([b"a", b"b"], [b"ab", b"ab"]),
        ([column([b"x", None])], [b"x", None]),
        ([b"a", column([b"x", None]), b"b"], [b"axb", None]),
        ([column([b"x", b""]), column([b"y", b"z"])], [b"xy", b"z"]),
    ],
)
def test_pieces_are_one_text_and_null_where_one_of_them_is(
    pieces: list[Any], text: list[bytes | None]
) -> None:
    assert text_column(pieces, 2).to_pylist() == text


# Groups


def offsets_of(sizes: list[int]) -> list[int]:
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    return offsets


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 9), st.integers(1, 30))
def test_groups_cover_all_records_in_order_within_both_bounds(
    sizes: list[int], records: int, nbytes: int
) -> None:
    offsets = offsets_of(sizes)
    boundaries = groups(offsets, records=records, nbytes=nbytes)
    assert boundaries[0] == 0
    assert boundaries[-1] == len(sizes)
    assert boundaries == sorted(set(boundaries))
    for start, stop in pairwise(boundaries):
        assert stop - start <= records
        assert offsets[stop] - offsets[start] <= nbytes or stop - start == 1


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 9), st.integers(1, 30))
def test_a_group_ends_only_where_one_more_record_would_break_a_bound(
    sizes: list[int], records: int, nbytes: int
) -> None:
    offsets = offsets_of(sizes)
    boundaries = groups(offsets, records=records, nbytes=nbytes)
    for start, stop in pairwise(boundaries[:-1]):
        assert stop - start == records or offsets[stop + 1] - offsets[start] > nbytes


@cases(
    ("sizes", "boundaries"),
    [
        ([], [0]),
        ([5], [0, 1]),
        ([100], [0, 1]),
        ([5, 5], [0, 2]),
        ([5, 6], [0, 1, 2]),
        ([1, 1, 1, 1], [0, 3, 4]),
        ([100, 1, 100, 1, 1], [0, 1, 2, 3, 5]),
        ([0, 0, 0, 0], [0, 3, 4]),
    ],
)
def test_groups_end_at_three_records_or_ten_bytes(sizes: list[int], boundaries: list[int]) -> None:
    assert groups(offsets_of(sizes), records=3, nbytes=10) == boundaries


def test_offsets_of_an_arrow_array_serve_as_well() -> None:
    lengths = random.Random(1).choices(range(50), k=5000)
    joined = join(arguments([column([b"x" * length for length in lengths])]), 5000)
    assert groups(joined.offsets, records=512, nbytes=4096)[-1] == 5000
