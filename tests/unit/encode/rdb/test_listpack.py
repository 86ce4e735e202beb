"""Listpack elements vectorised, against a slow writer and what a real Redis makes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.rdb import listpack
from etl.encode.resp.lookup import join_lookups
from etl.encode.resp.protocol import join_column
from tests.cases import cases
from tests.unit.encode import rdb_oracle

INTEGER_EDGES = [0, 1, 127, 128, 4095, 4096, 2**15 - 1, 2**15, 2**23 - 1, 2**23, 2**31 - 1, 2**31, 2**63 - 1]
INTEGERS = sorted({sign * edge + step for edge in INTEGER_EDGES for sign in (1, -1) for step in (-1, 0, 1)})
NO_INTEGERS = [
    *(
        b"",
        b"-",
        b"+",
        b"+1",
        b"-0",
        b"--1",
        b"- 1",
        b"00",
        b"007",
        b"-07",
        b"0x1",
        b"1.0",
        b"1e5",
        b" 1",
        b"1 ",
    ),
    *(b"1_0", b"1\0", b"\0", b"9223372036854775808", b"-9223372036854775809", b"9" * 20, b"-" + b"9" * 20),
    *(b"1" * 19 + b"x", b"99999999999999999999999", "٣".encode(), b"\xff", b"\xb2", b"1-", b"1-1"),
]
LENGTHS = [0, 1, 62, 63, 64, 65, 124, 125, 126, 127, 128, 255, 4093, 4094, 4095]


def made(values: list[bytes | None], before: bytes = b"<", after: bytes = b">") -> list[bytes]:
    column = pa.array(values, pa.binary())
    pieces = join_lookups([*listpack.element_pieces(column, before=before), after])
    texts: list[bytes] = join_column(pieces, len(values)).to_pylist()
    return texts


def wanted(values: list[bytes | None]) -> list[bytes]:
    return [b">" if value is None else b"<" + rdb_oracle.write_element(value) + b">" for value in values]


texts = st.one_of(
    st.sampled_from([b"%d" % number for number in INTEGERS]),
    st.integers(-(1 << 64), 1 << 64).map(lambda number: b"%d" % number),
    st.sampled_from(NO_INTEGERS),
    st.sampled_from(LENGTHS).map(lambda length: b"x" * length),
    st.text("0123456789-+ ", max_size=22).map(str.encode),
    st.binary(max_size=200),
)


@given(st.lists(st.none() | texts, min_size=1, max_size=30))
def test_a_column_of_anything_has_the_elements_of_the_slow_writer(values: list[bytes | None]) -> None:
    assert made(values) == wanted(values)


@given(st.lists(st.none() | st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=30))
def test_a_column_of_integers_has_the_elements_of_the_slow_writer(numbers: list[int | None]) -> None:
    values = [None if number is None else b"%d" % number for number in numbers]
    assert made(values) == wanted(values)


@given(st.lists(st.none() | texts, min_size=3, max_size=30), st.integers(1, 2))
def test_a_slice_of_a_column_has_the_elements_of_a_column_of_its_own(
    values: list[bytes | None], start: int
) -> None:
    column = pa.array(values, pa.binary()).slice(start)
    pieces = join_lookups([*listpack.element_pieces(column, before=b"<"), b">"])
    assert join_column(pieces, len(column)).to_pylist() == wanted(values[start:])


@cases("number", INTEGERS)
def test_an_integer_at_an_edge_is_written_as_short_as_can_be(number: int) -> None:
    value = b"%d" % number
    assert made([value]) == wanted([value])
    assert listpack.element(value) == rdb_oracle.write_element(value)


@cases("value", NO_INTEGERS)
def test_a_text_that_is_no_plain_decimal_stays_as_it_is(value: bytes) -> None:
    assert made([value]) == [b"<" + listpack.string_head(len(value)) + value + b"%c>" % (len(value) + 1)]
    assert listpack.element(value) == rdb_oracle.write_element(value)
    assert made([value, b"5", value]) == wanted([value, b"5", value])


@cases("length", LENGTHS)
def test_lengths_around_the_edges(length: int) -> None:
    for values in ([b"x" * length], [b"x" * length, b"y"], [b"x" * length, None, b"z" * (length // 2)]):
        assert made(list(values)) == wanted(list(values))


@cases(
    ("text", "element"),
    [
        # From DUMP of Redis 7.0.
        (b"", "80 01"),
        (b"7", "07 01"),
        (b"127", "7f 01"),
        (b"128", "c0 80 02"),
        (b"-1", "df ff 02"),
        (b"4095", "cf ff 02"),
        (b"-4096", "d0 00 02"),
        (b"4096", "f1 00 10 03"),
        (b"-32768", "f1 00 80 03"),
        (b"-32769", "f2 ff 7f ff 04"),
        (b"8388608", "f3 00 00 80 00 05"),
        (b"-2147483649", "f4 ff ff ff 7f ff ff ff ff 09"),
        (b"-9223372036854775808", "f4 00 00 00 00 00 00 00 80 09"),
        (b"9223372036854775808", "93 39 32 32 33 33 37 32 30 33 36 38 35 34 37 37 35 38 30 38 14"),
        (b"007", "83 30 30 37 04"),
        (b"-0", "82 2d 30 03"),
    ],
)
def test_elements_are_those_of_a_real_redis(text: bytes, element: str) -> None:
    assert listpack.element(text) == bytes.fromhex(element)
    assert made([text]) == [b"<" + bytes.fromhex(element) + b">"]


@cases(
    "size",
    [1, *(limit + step for limit in (127, 16383, 2097151, 268435455, 1 << 32) for step in (-1, 0, 1, 2))],
)
def test_backlens_have_the_odd_limits_of_listpack_c(size: int) -> None:
    assert listpack.backlen(size) == rdb_oracle.write_backlen(size)


@cases("length", [4096, 16378, 16379, 2097145, 2097146])
def test_a_constant_may_be_longer_than_columns_can(length: int) -> None:
    text = b"n" * length
    assert listpack.element(text) == rdb_oracle.write_element(text)


def test_a_column_of_nulls_has_no_pieces() -> None:
    assert listpack.element_pieces(pa.nulls(3, pa.binary()), before=b"x") == []


def test_a_number_beyond_64_bits_is_no_element() -> None:
    with pytest.raises(OverflowError):
        listpack.integer_element(1 << 63)
