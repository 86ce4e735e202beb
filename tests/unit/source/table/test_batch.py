from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from etl.errors import SourceError
from etl.plan import Batch, Projection
from etl.source.table.batch import batch_of, batches_of
from etl.source.table.layout import field_names, layout
from tests.cases import cases
from tests.examples import examples
from tests.unit.source import arrow_oracle as oracle

RECORDS = pa.RecordBatch.from_pylist(
    [
        {
            "id": 1,
            "address": {"city": "Rom", "geo": {"lat": 1.5}},
            "tags": ["a", "b"],
            "a.b": "dot",
            "empty": "",
        },
        {"id": 2, "address": None, "tags": None, "a.b": None, "empty": "x"},
    ]
)


def read(projection: Projection, records: pa.RecordBatch = RECORDS, first_record: int | None = 0) -> Batch:
    return batch_of(records, layout(records.schema, projection, "x.parquet"), first_record)


def field(batch: Batch, name: str) -> Any:
    return batch.fields.column(name).to_pylist()


def named(*names: str, **options: Any) -> Projection:
    return Projection(names=frozenset(names), **options)


@cases(
    ("name", "values"),
    [
        ("id", [b"1", b"2"]),
        ("address", [b'{"city":"Rom","geo":{"lat":1.5}}', None]),
        ("address.city", [b"Rom", None]),
        ("address.geo", [b'{"lat":1.5}', None]),
        ("address.geo.lat", [b"1.5", None]),
        ("a.b", [b"dot", None]),
        ("tags", [b'["a","b"]', None]),
        ("nowhere", [None, None]),
        ("address.nowhere", [None, None]),
        ("id.nowhere", [None, None]),
    ],
)
def test_a_named_field_is_found(name: str, values: list[bytes | None]) -> None:
    batch = read(named(name))
    assert field(batch, name) == values
    assert batch.fields.column(name).type == pa.binary()
    assert batch.spread == ()


def test_members_of_an_array_field_are_a_column_of_lists() -> None:
    batch = read(Projection(lists=frozenset({"tags", "id", "nowhere", "address.city"})))
    assert field(batch, "tags[]") == [[b"a", b"b"], None]
    assert field(batch, "id[]") == [[b"1"], [b"2"]]
    assert field(batch, "nowhere[]") == [None, None]
    assert field(batch, "address.city[]") == [[b"Rom"], None]
    assert {column.type for column in batch.fields.columns} == {pa.list_(pa.binary())}


def test_all_fields_are_spread_in_the_order_of_the_schema() -> None:
    assert read(Projection(all=True)).spread == ("id", "address", "tags", "a.b", "empty")


@cases(
    ("options", "spread"),
    [
        ({"include": ("tags", "id")}, ("id", "tags")),
        ({"exclude": ("tags", "address")}, ("id", "a.b", "empty")),
        ({"rename": (("id", "key"), ("tags", "t"))}, ("key", "address", "t", "a.b", "empty")),
        ({"rename": (("id", "empty"),), "exclude": ("empty",)}, ("empty", "address", "tags", "a.b")),
        ({"flatten": True}, ("id", "address.city", "address.geo.lat", "tags", "a.b", "empty")),
        ({"flatten": True, "include": ("address",)}, ("address.city", "address.geo.lat")),
        ({"flatten": True, "include": ("address.geo",)}, ("address.geo.lat",)),
        ({"flatten": True, "exclude": ("address.geo", "id")}, ("address.city", "tags", "a.b", "empty")),
        (
            {"flatten": True, "include": ("address",), "rename": (("address", "at"),)},
            ("at.city", "at.geo.lat"),
        ),
        (
            {"flatten": True, "include": ("address",), "rename": (("address.city", "c"),)},
            ("c", "address.geo.lat"),
        ),
    ],
)
def test_options_choose_and_name_what_is_spread(options: dict[str, Any], spread: tuple[str, ...]) -> None:
    batch = read(Projection(all=True, json=True, **options))
    assert batch.spread == spread
    assert batch.json is not None
    assert tuple(json.loads(batch.json[0].as_py())) == spread
    assert set(batch.fields.schema.names) == set(spread)


def test_a_renamed_field_is_named_by_its_new_name() -> None:
    projection = named("key", "at.city", "town", rename=(("id", "key"), ("address", "at"), ("a.b", "town")))
    batch = read(projection)
    assert field(batch, "key") == [b"1", b"2"]
    assert field(batch, "at.city") == [b"Rom", None]
    assert field(batch, "town") == [b"dot", None]


def test_a_flattened_field_has_the_values_of_the_struct() -> None:
    batch = read(Projection(all=True, flatten=True, include=("address",)))
    assert field(batch, "address.geo.lat") == [b"1.5", None]


def test_json_is_typed_and_line_is_the_same() -> None:
    batch = read(Projection(json=True, line=True, exclude=("a.b",)))
    assert batch.json is not None
    assert batch.line is not None
    assert [json.loads(text) for text in batch.json.to_pylist()] == [
        {"id": 1, "address": {"city": "Rom", "geo": {"lat": 1.5}}, "tags": ["a", "b"], "empty": ""},
        {"id": 2, "address": None, "tags": None, "empty": "x"},
    ]
    assert batch.line.equals(batch.json)
    assert len(batch) == 2


def test_json_of_a_flattened_struct_that_is_null_has_nulls() -> None:
    batch = read(Projection(json=True, flatten=True, include=("address",)))
    assert batch.json is not None
    assert batch.json.to_pylist()[1] == b'{"address.city":null,"address.geo.lat":null}'


def test_an_empty_text_is_an_absent_field_where_that_is_asked_for() -> None:
    assert field(read(named("empty")), "empty") == [b"", b"x"]
    assert field(read(named("empty", omit_empty=True)), "empty") == [None, b"x"]


def test_records_are_numbered_where_anybody_counted() -> None:
    numbers = read(named("id"), first_record=7).numbers
    assert numbers is not None
    assert numbers.to_pylist() == [7, 8]
    assert read(named("id"), first_record=None).numbers is None


def test_a_batch_without_any_column_still_knows_its_length() -> None:
    batch = read(named("#", "line", "json", "*"))
    assert batch.fields.num_columns == 0
    assert len(batch) == 2


def test_vectors_are_bytes_or_json() -> None:
    records = pa.RecordBatch.from_arrays([pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))], names=["v"])
    assert field(read(named("v"), records), "v") == [b"\0\0\x80?\0\0\0@"]
    assert field(read(named("v", vectors="text"), records), "v") == [b"[1.0,2.0]"]


def test_columns_of_the_same_name_are_refused() -> None:
    records = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(SourceError, match=r"x.parquet has two columns named 'a'"):
        read(Projection(all=True), records)


def test_two_fields_that_come_to_the_same_name_are_refused() -> None:
    records = pa.RecordBatch.from_arrays([pa.array([{"b": 1}]), pa.array([2])], names=["a", "a.b"])
    with pytest.raises(SourceError, match=r"two fields would be named 'a.b'"):
        read(Projection(all=True, flatten=True), records)


def test_a_struct_with_two_fields_of_one_name_is_read() -> None:
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    records = pa.RecordBatch.from_arrays([struct], names=["s"])
    assert field(read(named("s.x"), records), "s.x") == [b"1"]
    assert field(read(named("s"), records), "s") == [b'{"x":1,"x":2}']


def test_fields_that_templates_can_name_are_columns_then_parts_of_structs() -> None:
    assert field_names(RECORDS.schema) == (
        *("id", "address", "tags", "a.b", "empty"),
        *("address.city", "address.geo", "address.geo.lat"),
    )


def test_only_what_is_needed_is_asked_for() -> None:
    def needed(projection: Projection) -> tuple[str, ...]:
        return layout(RECORDS.schema, projection, "x").needed

    assert needed(named("address.city", "id", "nowhere")) == ("id", "address.city")
    assert needed(Projection(lists=frozenset({"tags"}))) == ("tags",)
    assert needed(Projection(json=True, include=("tags",))) == ("tags",)
    assert needed(named("#")) == ()


@pytest.mark.parametrize("dictionary", [True, False])
def test_long_values_make_small_batches(dictionary: bool) -> None:
    column = pa.array(["x" * 1_000_000] * 40)
    if dictionary:
        column = column.dictionary_encode()
    records = pa.RecordBatch.from_arrays([column], names=["x"])
    batches = list(batches_of(records, layout(records.schema, named("x"), "x"), 100))
    assert max(batch.fields.nbytes for batch in batches) < 8_000_000
    assert sum(len(batch) for batch in batches) == 40
    numbers = [number for batch in batches for number in (batch.numbers or pa.array([])).to_pylist()]
    assert numbers == list(range(100, 140))


@examples(1.25)
@given(st.lists(oracle.arrays(), min_size=1, max_size=3), st.sampled_from(["raw", "text"]))
def test_batches_hold_the_texts_of_every_type(columns: list[pa.Array], vectors: str) -> None:
    length = min(map(len, columns))
    names = [f"c{index}" for index in range(len(columns))]
    records = pa.RecordBatch.from_arrays([column.slice(0, length) for column in columns], names=names)
    batch = read(Projection(all=True, json=True, vectors="raw"), records)
    assert batch.json is not None
    for name, column in zip(names, records.columns, strict=True):
        assert field(batch, name) == [oracle.text(value, column.type) for value in column.to_pylist()]
    for index, text in enumerate(batch.json.to_pylist()):
        values = [oracle.json_text(column[index].as_py(), column.type) for column in records.columns]
        assert text.decode() == "{" + ",".join(f'"{n}":{v}' for n, v in zip(names, values, strict=True)) + "}"
