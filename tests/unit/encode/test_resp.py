"""RESP made by columns: every length right, every byte as it is."""

from __future__ import annotations

import random
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp import bulk, bulks, column, command_head, groups, join
from tests.unit.given import batch_of, template

VALUES = st.lists(st.binary(max_size=30), min_size=1, max_size=20)


def written(text: str, batch: pa.RecordBatch) -> list[bytes]:
    joined = join(bulks(template(text), batch), batch.num_rows)
    return [
        bytes(joined.data[joined.offsets[i] : joined.offsets[i + 1]]) for i in range(len(joined.offsets) - 1)
    ]


def test_a_bulk_string_and_a_command_head_are_resp() -> None:
    assert bulk(b"") == b"$0\r\n\r\n"
    assert bulk(b"a\r\nb") == b"$4\r\na\r\nb\r\n"
    assert command_head(b"MSET", 4) == b"*5\r\n$4\r\nMSET\r\n"


@given(VALUES)
def test_any_column_becomes_bulk_strings(values: list[bytes]) -> None:
    assert written("{line}", batch_of(values)) == [bulk(value) for value in values]


@given(VALUES, st.integers(0, 1 << 62))
def test_literals_and_columns_are_joined_in_order(values: list[bytes], first: int) -> None:
    assert written("a:{#}:{line}{line}{{b", batch_of(values, first)) == [
        bulk(b"a:%d:%b%b{b" % (first + index, value, value)) for index, value in enumerate(values)
    ]


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 99, 100, 999, 1000, 1023, 1024, 1025, 65_535, 1 << 20])
@pytest.mark.parametrize("text", ["{line}", "x{line}", "{line}{#}"])
def test_lengths_of_every_number_of_digits_are_right(length: int, text: str) -> None:
    values = [b"a" * length, b"", b"b" * max(length - 1, 0)]
    expected = [
        text.replace("{line}", value.decode()).replace("{#}", str(index)).encode()
        for index, value in enumerate(values)
    ]
    assert written(text, batch_of(values)) == [bulk(value) for value in expected]


@pytest.mark.parametrize("literal", ["", "x", "y" * 9, "y" * 10, "y" * 1024])
def test_a_template_of_literals_only_is_the_same_for_every_record(literal: str) -> None:
    assert written(literal, batch_of([b"a", b"b"])) == [bulk(literal.encode())] * 2


def test_a_part_of_a_batch_is_encoded_like_a_batch() -> None:
    values = [b"a", b"bb", b"", b"dddd", b"e"]
    assert written("{#}={line}", batch_of(values).slice(2, 2)) == [bulk(b"2="), bulk(b"3=dddd")]


def test_a_batch_without_records_is_no_bytes() -> None:
    for text in ("", "x", "{line}", "x{#}"):
        joined = join(bulks(template(text), batch_of([])), 0)
        assert bytes(joined.data) == b""


def test_numbers_and_text_become_their_decimal_text_and_their_bytes() -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([-1, 0, 12345678901234567], pa.int64())})
    assert column(batch, "n").to_pylist() == [b"-1", b"0", b"12345678901234567"]
    assert column(pa.RecordBatch.from_pydict({"t": ["ü"]}), "t").to_pylist() == ["ü".encode()]


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


@pytest.mark.parametrize(
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
    joined = join(bulks(template("{line}"), batch_of([b"x" * length for length in lengths])), 5000)
    assert groups(joined.offsets, records=512, nbytes=4096)[-1] == 5000
