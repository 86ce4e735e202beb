from __future__ import annotations

import datetime
import json
import math
import struct
import uuid
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import example, given

from etl.source.value.json import json_of
from etl.source.value.text import members_of, text_of
from tests.cases import cases
from tests.examples import examples
from tests.unit.source import arrow_oracle as oracle

INT64 = pa.int64()
DENSE = pa.UnionArray.from_dense(
    pa.array([5, 7, 5, 7], pa.int8()),
    pa.array([0, 0, 1, 1], pa.int32()),
    [pa.array([1, 2]), pa.array(["x", None])],
    type_codes=[5, 7],
)
SPARSE = pa.UnionArray.from_sparse(
    pa.array([0, 1, 0], pa.int8()), [pa.array([1.0, 2.0, None]), pa.array(["x", "y", "z"])]
)


def integers_as(type: pa.DataType, *values: int | None) -> pa.Array:
    return pa.array(values, pa.int32() if type.bit_width == 32 else INT64).view(type)


CASES: list[tuple[pa.Array, list[bytes | None]]] = [
    (pa.array([0, -7, 127, None], pa.int8()), [b"0", b"-7", b"127", None]),
    (pa.array([2**64 - 1], pa.uint64()), [b"18446744073709551615"]),
    (pa.array([1.0, 0.1, -0.0, 0.0], pa.float64()), [b"1.0", b"0.1", b"-0.0", b"0.0"]),
    (pa.array([math.nan, math.inf, -math.inf]), [b"nan", b"inf", b"-inf"]),
    (
        pa.array([1e22, 1e16, 1e15, 1e10, 123456789012.5]),
        [b"1e+22", b"1e+16", b"1000000000000000.0", b"10000000000.0", b"123456789012.5"],
    ),
    (pa.array([1e-4, 1e-5, 1.5e-5, 1e-7, 5e-324]), [b"0.0001", b"1e-05", b"1.5e-05", b"1e-07", b"5e-324"]),
    (
        pa.array([9007199254740992.0, 9007199254740991.0, None]),
        [b"9007199254740992.0", b"9007199254740991.0", None],
    ),
    (
        pa.array([0.1, 1.0, 16777216.0, 1e10, 1e-7], pa.float32()),
        [b"0.1", b"1.0", b"16777216.0", b"10000000000.0", b"1e-07"],
    ),
    (
        pa.array([1.0, 0.1, 65504.0, 6e-8, math.nan, None], pa.float16()),
        [b"1.0", b"0.0999755859375", b"65504.0", b"5.960464477539063e-08", b"nan", None],
    ),
    (
        pa.array([Decimal("1.10"), Decimal("-0.01"), Decimal(0), None], pa.decimal128(5, 2)),
        [b"1.10", b"-0.01", b"0.00", None],
    ),
    (
        pa.array([Decimal("1E-10"), Decimal(0), Decimal("-2.5")], pa.decimal128(20, 10)),
        [b"0.0000000001", b"0.0000000000", b"-2.5000000000"],
    ),
    (pa.array([Decimal(1100), Decimal(0), Decimal(-100)], pa.decimal128(5, -2)), [b"1100", b"0", b"-100"]),
    (pa.array([True, False, None]), [b"true", b"false", None]),
    (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        [b"true", b"false", None],
    ),
    (pa.array(["", "é", "007", None]), [b"", "é".encode(), b"007", None]),
    (pa.array([b"\xff\0", b"", None]), [b"\xff\0", b"", None]),
    (pa.array([b"ab", None], pa.binary(2)), [b"ab", None]),
    (integers_as(pa.timestamp("s"), 0, -1), [b"1970-01-01T00:00:00", b"1969-12-31T23:59:59"]),
    (integers_as(pa.timestamp("ms"), 1_000, 1_120), [b"1970-01-01T00:00:01", b"1970-01-01T00:00:01.120"]),
    (pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5, 123456)]), [b"2024-01-02T03:04:05.123456"]),
    (
        integers_as(pa.timestamp("ns"), 1, -(2**63)),
        [b"1970-01-01T00:00:00.000000001", b"1677-09-21T00:12:43.145224192"],
    ),
    (
        integers_as(pa.timestamp("s"), 2**62, 253402300799, 253402300800, None),
        [b"4611686018427387904", b"9999-12-31T23:59:59", b"253402300800", None],
    ),
    (
        integers_as(pa.timestamp("us", "UTC"), 0, 1, None),
        [b"1970-01-01T00:00:00Z", b"1970-01-01T00:00:00.000001Z", None],
    ),
    (integers_as(pa.timestamp("us", "UTC"), 2**63 - 1), [b"9223372036854775807"]),
    (
        integers_as(pa.timestamp("s", "Europe/Berlin"), 0, 10**9),
        [b"1970-01-01T01:00:00+01:00", b"2001-09-09T03:46:40+02:00"],
    ),
    (integers_as(pa.timestamp("ms", "Europe/London"), 1), [b"1970-01-01T01:00:00.001+01:00"]),
    (integers_as(pa.timestamp("s", "-03:30"), 0), [b"1969-12-31T20:30:00-03:30"]),
    (integers_as(pa.timestamp("s", "Africa/Abidjan"), 0), [b"1970-01-01T00:00:00Z"]),
    (integers_as(pa.timestamp("s", "No/Such_Zone"), 0), [b"1970-01-01T00:00:00Z"]),
    (
        integers_as(pa.date32(), 0, -719528, 2**31 - 1, None),
        [b"1970-01-01", b"0000-01-01", b"2147483647", None],
    ),
    (integers_as(pa.date64(), 86_400_000, 2**63 - 1), [b"1970-01-02", b"9223372036854775807"]),
    (integers_as(pa.time32("s"), 86_399, 86_400, -1), [b"23:59:59", b"86400", b"-1"]),
    (
        integers_as(pa.time64("ns"), 1_500_000_000, 1_000_000_000, None),
        [b"00:00:01.500000000", b"00:00:01", None],
    ),
    (integers_as(pa.duration("s"), 5_400, -1), [b"PT5400S", b"-PT1S"]),
    (integers_as(pa.duration("ms"), 1_500, -5, 0, None), [b"PT1.500S", b"-PT0.005S", b"PT0S", None]),
    (integers_as(pa.duration("ns"), -(2**63)), [b"-PT9223372036.854775808S"]),
    (
        pa.array([(14, 3, 500_000_000), (0, 0, 0), (0, -1, -1), None], pa.month_day_nano_interval()),
        [b"P14M3DT0.5S", b"PT0S", b"P-1DT-0.000000001S", None],
    ),
    (pa.array([[1, None], [], None]), [b"[1,null]", b"[]", None]),
    (pa.array([[1.0, math.nan, math.inf, -0.0]]), [b"[1.0,null,null,-0.0]"]),
    (
        pa.array([{"a": 1, "b": "x\n"}, None, {"a": None, "b": ""}]),
        [b'{"a":1,"b":"x\\n"}', None, b'{"a":null,"b":""}'],
    ),
    (pa.array([[("k", 1)], None, []], pa.map_(pa.string(), INT64)), [b'{"k":1}', None, b"{}"]),
    (pa.array([[(1, [b"\xff"])]], pa.map_(INT64, pa.list_(pa.binary()))), [b'{"1":["/w=="]}']),
    (pa.array([{}, None], pa.struct([])), [b"{}", None]),
    (pa.array([[], None], pa.list_(pa.float32(), 0)), [b"", None]),
    (
        pa.array([[1.0, -2.5], None, [None, 3.0]], pa.list_(pa.float64(), 2)),
        [struct.pack("<ff", 1.0, -2.5), None, struct.pack("<ff", math.nan, 3.0)],
    ),
    (pa.array([[1.0, -2.5], None], pa.list_(pa.float16(), 2)), [struct.pack("<ff", 1.0, -2.5), None]),
    (pa.array([[1, 2]], pa.list_(INT64, 2)), [b"[1,2]"]),
    (
        pa.FixedShapeTensorArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
        ),
        [struct.pack("<ff", 1.0, 2.0)],
    ),
    (pa.array(["b", "a", None, "b"]).dictionary_encode(), [b"b", b"a", None, b"b"]),
    (pa.DictionaryArray.from_arrays(pa.array([0, None, 1]), pa.array(["x", None])), [b"x", None, None]),
    (pa.DictionaryArray.from_arrays(pa.array([2, 0]), pa.array([1.0, 2.0, 3.0, 4.0])), [b"3.0", b"1.0"]),
    (
        pa.DictionaryArray.from_arrays(pa.array([2, 0]), pa.array(["x", "y", "z"], pa.string_view())),
        [b"z", b"x"],
    ),
    (pc.run_end_encode(pa.array([1, 1, None, 2])), [b"1", b"1", None, b"2"]),
    (pc.run_end_encode(pa.array(["a", "a", None, "b"])).slice(1), [b"a", None, b"b"]),
    (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), pa.array([[1], [2]])), [b"[1]", b"[1]", b"[2]"]),
    (DENSE, [b"1", b"x", b"2", None]),
    (DENSE.slice(1, 2), [b"x", b"2"]),
    (SPARSE, [b"1.0", b"y", None]),
    (SPARSE.slice(1), [b"y", None]),
    (
        pa.array([uuid.UUID(int=0x00112233445566778899AABBCCDDEEFF).bytes, None], pa.uuid()),
        [b"00112233-4455-6677-8899-aabbccddeeff", None],
    ),
    (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'])), [b'{"a":1}']),
    (pa.nulls(2), [None, None]),
]


@cases(("array", "texts"), CASES, ids=lambda value: str(getattr(value, "type", "")))
def test_each_type_has_the_text_that_the_table_says(array: pa.Array, texts: list[bytes | None]) -> None:
    got = text_of(array)
    got.validate(full=True)
    assert got.type == pa.binary()
    assert got.to_pylist() == texts


@cases("array", [array for array, _ in CASES], ids=lambda array: str(array.type))
def test_any_part_of_an_array_has_the_texts_of_that_part(array: pa.Array) -> None:
    whole, whole_json = text_of(array), json_of(array)
    for start in range(len(array) + 1):
        assert text_of(array.slice(start)).to_pylist() == whole.slice(start).to_pylist()
        assert text_of(array.slice(0, start)).to_pylist() == whole.slice(0, start).to_pylist()
        assert json_of(array.slice(start)).to_pylist() == whole_json.slice(start).to_pylist()


@cases("array", [array for array, _ in CASES], ids=lambda array: str(array.type))
def test_the_json_of_every_type_is_json_and_null_for_null(array: pa.Array) -> None:
    for written, null in zip(json_of(array).to_pylist(), text_of(array).is_null().to_pylist(), strict=True):
        value = json.loads(written)
        assert value is None or not null
        assert json.dumps(value, separators=(",", ":"), ensure_ascii=False)  # no NaN was let through


@examples(2.5)
@given(oracle.arrays())
@example(pa.array([['"\\\x00\x1f\x7fé\u2028']]))
def test_texts_are_those_of_a_formatter_that_goes_value_by_value(array: pa.Array) -> None:
    got = text_of(array)
    got.validate(full=True)
    assert got.to_pylist() == [oracle.text(value, array.type) for value in array.to_pylist()]


@examples(1.75)
@given(oracle.arrays())
def test_json_is_that_of_a_formatter_that_goes_value_by_value(array: pa.Array) -> None:
    written = [oracle.json_text(value, array.type).encode() for value in array.to_pylist()]
    assert json_of(array).to_pylist() == written


@examples(1.75)
@given(st.lists(st.floats() | st.floats(1e-12, 1e18) | st.floats(-1e-3, 1e-3) | st.none()))
def test_floats_are_written_as_repr_writes_them(values: list[float | None]) -> None:
    expected = [None if value is None else repr(value).encode() for value in values]
    assert text_of(pa.array(values, pa.float64())).to_pylist() == expected


@given(st.lists(st.binary(max_size=10) | st.none()))
def test_bytes_in_json_are_base64(values: list[bytes | None]) -> None:
    expected = [oracle.json_text(value, pa.binary()).encode() for value in values]
    assert json_of(pa.array(values, pa.binary())).to_pylist() == expected


def test_vectors_as_text_are_json() -> None:
    array = pa.array([[1.0, None], None], pa.list_(pa.float32(), 2))
    assert text_of(array, vectors="text").to_pylist() == [b"[1.0,null]", None]


def test_a_double_too_big_for_a_vector_is_infinite_in_it() -> None:
    array = pa.array([[1e300, -1e300]], pa.list_(pa.float64(), 2))
    assert text_of(array).to_pylist() == [struct.pack("<ff", math.inf, -math.inf)]


def test_a_vector_inside_of_a_struct_is_json() -> None:
    array = pa.array([{"v": [1.0, 2.0]}], pa.struct([("v", pa.list_(pa.float32(), 2))]))
    assert text_of(array).to_pylist() == [b'{"v":[1.0,2.0]}']


def test_a_string_that_is_not_utf8_keeps_its_bytes_and_is_still_json() -> None:
    array = pa.array([b"a\xff", b"b", None]).cast(pa.binary()).view(pa.string())
    assert text_of(array).to_pylist() == [b"a\xff", b"b", None]
    assert json_of(array).to_pylist() == ['"a\ufffd"'.encode(), b'"b"', b"null"]


@cases("type", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda type: pa.list_(type, 2)])
def test_members_of_a_list_are_texts_without_the_null_ones(type: Any) -> None:
    array = pa.array([["x", "y"], None, [None, "z"], [None, None], ["", "w"]], type(pa.string()))
    got = members_of(array)
    got.validate(full=True)
    assert got.type == pa.list_(pa.binary())
    assert got.to_pylist() == [[b"x", b"y"], None, [b"z"], [], [b"", b"w"]]
    assert members_of(array.slice(1, 2)).to_pylist() == [None, [b"z"]]


def test_members_may_be_of_any_type() -> None:
    assert members_of(pa.array([[1.0, 2.5], []])).to_pylist() == [[b"1.0", b"2.5"], []]
    assert members_of(pa.array([[{"a": 1}]])).to_pylist() == [[b'{"a":1}']]
    assert members_of(pa.array([[[1], [2]]])).to_pylist() == [[b"[1]", b"[2]"]]
    assert members_of(pa.nulls(2)).to_pylist() == [None, None]


def test_any_other_value_counts_as_a_list_of_one() -> None:
    assert members_of(pa.array([1, None, 3])).to_pylist() == [[b"1"], None, [b"3"]]
    assert members_of(pa.array([{"a": 1}, None])).to_pylist() == [[b'{"a":1}'], None]
    assert members_of(pa.array([], pa.string())).to_pylist() == []


def test_members_of_dictionaries_and_extensions_are_found_too() -> None:
    lists = pa.array([["x"], ["y", "z"]])
    encoded = pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), lists)
    assert members_of(encoded).to_pylist() == [[b"y", b"z"], None, [b"x"]]
    tensors = pa.FixedShapeTensorArray.from_storage(
        pa.fixed_shape_tensor(pa.int8(), [2]), pa.array([[1, 2]], pa.list_(pa.int8(), 2))
    )
    assert members_of(tensors).to_pylist() == [[b"1", b"2"]]
