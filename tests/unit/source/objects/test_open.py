from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.strategies as st
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given

from etl.errors import SourceError, UsageError
from etl.plan import Block, Projection, Source
from etl.source.objects.open import open_table
from tests.cases import cases
from tests.examples import examples
from tests.unit.source import arrow_oracle as oracle

ALL = Projection(all=True)
ERROR_POLICIES = pa.table({"id": [1, 2, 3], "name": ["x", None, "é"]})
RECORDS = [{"id": b"1", "name": b"x"}, {"id": b"2", "name": None}, {"id": b"3", "name": "é".encode()}]


def blocks_of(source: Source, block_bytes: int = 1 << 20) -> list[Block]:
    return list(source.blocks(block_bytes))


def read(source: Source, block_bytes: int = 1 << 20, projection: Projection = ALL) -> list[dict[str, Any]]:
    blocks = blocks_of(source, block_bytes)
    assert [block.number for block in blocks] == list(range(len(blocks)))
    reader = pickle.loads(pickle.dumps(source)).open(projection)  # noqa: S301 - as a plan travels
    batches = [batch for block in blocks for batch in reader.read(block)]
    numbers = [number for batch in batches for number in batch.numbers.to_pylist()]
    assert numbers == list(range(len(numbers)))
    return [record for batch in batches for record in batch.fields.to_pylist()]


class Capsule:
    """A foreign object with nothing but one method of the PyCapsule interface."""

    def __init__(self, data: Any, method: str) -> None:
        setattr(type(self), method, lambda self, schema=None: getattr(data, method)(schema))


class StreamCapsule(Capsule):
    pass


class ArrayCapsule(Capsule):
    pass


class Dataset:
    """What of a Hugging Face dataset is used."""

    def __init__(self, tables: list[pa.Table], format: str | None = None) -> None:
        self.tables = tables
        self.format = format

    def with_format(self, format: str) -> Dataset:
        return Dataset(self.tables, format)

    def iter(self, batch_size: int) -> Iterator[pa.Table]:
        assert self.format == "arrow"
        assert batch_size > 0
        return iter(self.tables)


@cases(
    "data",
    [
        ERROR_POLICIES,
        ERROR_POLICIES.to_batches()[0],
        pa.RecordBatchReader.from_batches(ERROR_POLICIES.schema, ERROR_POLICIES.to_batches()),
        StreamCapsule(ERROR_POLICIES, "__arrow_c_stream__"),
        ArrayCapsule(ERROR_POLICIES.to_batches()[0], "__arrow_c_array__"),
        ERROR_POLICIES.to_pandas(),
        pl.from_arrow(ERROR_POLICIES),
        Dataset([ERROR_POLICIES.slice(0, 1), ERROR_POLICIES.slice(1)]),
        ERROR_POLICIES.to_batches()[0].to_struct_array(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_tables_of_all_libraries_are_read(data: Any) -> None:
    source = open_table(data)
    assert source.streamed
    assert source.fields == ("id", "name")
    assert read(source) == RECORDS


def test_a_duckdb_relation_is_read() -> None:
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT range AS id FROM range(5)")
        assert [record["id"] for record in read(open_table(relation))] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_table_can_be_read_again_and_a_reader_says_that_it_cannot() -> None:
    source = open_table(ERROR_POLICIES)
    assert read(source) == read(source) == RECORDS
    once = open_table(pa.RecordBatchReader.from_batches(ERROR_POLICIES.schema, ERROR_POLICIES.to_batches()))
    assert read(once) == RECORDS
    with pytest.raises(SourceError, match="gives its records once"):
        read(once)


def test_only_the_parent_has_the_table() -> None:
    source = open_table(ERROR_POLICIES)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert copy.input is None
    assert copy == source
    assert len(pickle.dumps(source)) < 1000
    assert "pyarrow.Table" in str(source.names)
    source.verify_unchanged()
    copy.verify_unchanged()


def test_the_size_of_a_table_is_known_and_that_of_a_stream_is_not() -> None:
    source = open_table(ERROR_POLICIES)
    assert source.nbytes == ERROR_POLICIES.nbytes == sum(block.nbytes for block in blocks_of(source))
    assert open_table(StreamCapsule(ERROR_POLICIES, "__arrow_c_stream__")).nbytes is None


def test_an_index_of_pandas_is_a_field_only_where_it_is_made_one() -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}).rename_axis("n")
    assert read(open_table(frame[frame.x > 1])) == [{"x": b"2"}, {"x": b"3"}]
    assert read(open_table(frame[frame.x > 2].reset_index())) == [{"n": b"2", "x": b"3"}]


def test_blocks_are_about_as_long_as_asked_for() -> None:
    table = pa.table({"x": ["y" * 96] * 10_000})
    blocks = blocks_of(open_table(table), 10_000)
    assert 90 <= len(blocks) <= 120
    assert max(len(block.payload or b"") for block in blocks) < 13_000
    assert len(blocks_of(open_table(table.slice(0, 7)), 1)) == 7


def test_small_batches_are_put_together() -> None:
    table = pa.table({"x": range(10_000)})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3))
    source = open_table(reader)
    blocks = blocks_of(source, 40_000)
    assert len(blocks) < 10
    batches = [list(source.open(ALL).read(block)) for block in blocks]
    assert [len(of_block) for of_block in batches] == [1] * len(blocks)


@pytest.mark.parametrize(
    "type", [pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string_view())]
)
def test_a_block_holds_nothing_of_its_neighbours(type: pa.DataType) -> None:
    texts = [f"a text of some length, {index}" for index in range(10_000)]
    column = pa.array([[text] for text in texts] if pa.types.is_list(type) else texts).cast(type)
    source = open_table(pa.table({"x": column}))
    blocks = blocks_of(source, 10_000)
    assert len(blocks) > 20
    assert max(len(block.payload or b"") for block in blocks) < 30_000
    texts = [f'["{text}"]' for text in texts] if pa.types.is_list(type) else texts
    assert [record["x"].decode() for record in read(source, 10_000)] == texts


def test_dictionaries_that_differ_from_batch_to_batch_make_one_block() -> None:
    chunks = [pa.array([f"{n}", "same", f"{n}"]).dictionary_encode() for n in range(20)]
    table = pa.table({"x": pa.chunked_array(chunks)})
    source = open_table(table)
    assert len(blocks_of(source)) == 1
    assert [record["x"] for record in read(source)] == [value.encode() for value in table["x"].to_pylist()]


def test_a_record_is_found_again() -> None:
    source = open_table(ERROR_POLICIES)
    (block,) = blocks_of(source)
    (reject,) = source.open(Projection(names=frozenset({"id"}))).originals(block, [2])
    assert (reject.file, reject.record, reject.offset) == ("the pyarrow.Table", 2, None)
    assert reject.raw == '{"id":3,"name":"é"}'.encode()
    assert source.name_of(block) == "the pyarrow.Table"


@cases(
    ("data", "error"),
    [
        ("a path", UsageError),
        (b"bytes", UsageError),
        (Path("x"), UsageError),
        ({"a": [1]}, UsageError),
        (7, UsageError),
        (None, UsageError),
        (pa.chunked_array([[1]]), SourceError),
        (pl.Series([1]), SourceError),
        (pa.array([1]), SourceError),
        (pa.table([[1], [2]], names=["a", "a"]), SourceError),
        (pd.DataFrame({"a": [1, "x", b"y"]}), SourceError),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^(a|the|cannot) .{15,}"):
        open_table(data)


def test_an_error_in_the_middle_of_a_stream_names_the_table() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from ERROR_POLICIES.to_batches()
        raise RuntimeError("the cable came out")

    source = open_table(pa.RecordBatchReader.from_batches(ERROR_POLICIES.schema, batches()))
    with pytest.raises(SourceError, match=r"the pyarrow\.RecordBatchReader cannot be read.*cable"):
        read(source)


def test_a_table_without_records_has_no_blocks() -> None:
    assert blocks_of(open_table(ERROR_POLICIES.slice(0, 0))) == []
    assert blocks_of(open_table(Dataset([]))) == []


@examples(1.25)
@given(st.lists(oracle.arrays(), min_size=1, max_size=3), st.sampled_from([1, 30, 1 << 20]))
def test_streams_hold_the_texts_of_every_type(columns: list[pa.Array], block_bytes: int) -> None:
    length = min(map(len, columns))
    names = [f"c{index}" for index in range(len(columns))]
    table = pa.table([column.slice(0, length) for column in columns], names=names)
    records = read(open_table(table), block_bytes)
    for name in names:
        type = table.schema.field(name).type
        assert [record[name] for record in records] == [oracle.text(v, type) for v in table[name].to_pylist()]


@pytest.mark.parametrize("start", [0, 1, 2])
def test_parts_of_runs_and_unions_are_read(start: int) -> None:
    runs = pc.run_end_encode(pa.array(["a", "a", None, "b"]))
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), pa.array([*"wxyz"])]
    )
    batch = pa.RecordBatch.from_arrays([runs, union], names=["r", "u"]).slice(start)
    expected = [(b"a", b"1"), (b"a", b"x"), (None, b"3"), (b"b", b"z")][start:]
    assert [(record["r"], record["u"]) for record in read(open_table(batch), 1)] == expected
