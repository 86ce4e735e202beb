"""Every Arrow type, nested and in a stream: text, or one sentence that names the field."""

from __future__ import annotations

import contextlib
import datetime
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Projection, Source
from etl.source.formats import arrow
from etl.source.objects.open import open_table
from etl.source.table.stream import TableStream
from etl.source.value.size import array_bytes

ALL = Projection(all=True, json=True)
WHEN = datetime.datetime(2024, 1, 2, 3, 4, 5)
SCALARS: dict[pa.DataType, Any] = {
    pa.null(): None,
    pa.bool_(): True,
    pa.int8(): -7,
    pa.uint64(): 2**64 - 1,
    pa.float16(): 0.5,
    pa.float32(): 0.5,
    pa.float64(): 0.1,
    pa.string(): "é",
    pa.large_string(): "x",
    pa.string_view(): "a string longer than what a view holds itself",
    pa.binary(): b"\xff",
    pa.large_binary(): b"\xff",
    pa.binary_view(): b"\xff" * 20,
    pa.binary(2): b"ab",
    pa.decimal32(5, 2): Decimal("1.10"),
    pa.decimal64(5, 2): Decimal("1.10"),
    pa.decimal128(5, 2): Decimal("1.10"),
    pa.decimal256(5, 2): Decimal("1.10"),
    pa.date32(): WHEN.date(),
    pa.date64(): WHEN.date(),
    pa.time32("s"): WHEN.time(),
    pa.time64("ns"): WHEN.time(),
    pa.timestamp("s"): WHEN,
    pa.timestamp("ns", "Europe/Berlin"): WHEN,
    pa.duration("us"): datetime.timedelta(seconds=1),
    pa.month_day_nano_interval(): (1, 2, 3),
}


def column(draw: Any, depth: int, rows: int) -> pa.Array:
    """Draw an array of any type, nested up to ``depth`` deep, in which every third value is null."""
    nest = ["scalar"] if not depth else ["struct", "list", "large", "view", "fixed", "map", "dense", "sparse"]
    kind = draw(st.sampled_from([*nest, "dictionary", "runs"]))
    offsets = pa.array(range(rows + 1), pa.int32())
    codes = pa.array([row % 2 for row in range(rows)], pa.int8())
    if kind == "scalar":
        type = draw(st.sampled_from(list(SCALARS)))
        return pa.array([SCALARS[type] if row % 3 else None for row in range(rows)], type)
    if kind in ("dictionary", "runs"):
        type = draw(st.sampled_from([pa.string(), pa.int8(), pa.date32()]))
        values = pa.array([SCALARS[type] if row % 3 else None for row in range(rows)], type)
        return values.dictionary_encode() if kind == "dictionary" else pc.run_end_encode(values)
    inner = column(draw, depth - 1, rows)
    if kind == "struct":
        return pa.StructArray.from_arrays(
            [inner], ["a"], mask=pa.array([row % 3 == 0 for row in range(rows)])
        )
    if kind == "list":
        return pa.ListArray.from_arrays(offsets, inner)
    if kind == "large":
        return pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), inner)
    if kind == "view":
        return pa.ListViewArray.from_arrays(offsets[:-1], pa.array([1] * rows, pa.int32()), inner)
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(inner, 1)
    if kind == "map":
        return pa.MapArray.from_arrays(offsets, pa.array([str(row) for row in range(rows)]), inner)
    other = column(draw, 0, rows)
    if kind == "sparse":
        return pa.UnionArray.from_sparse(codes, [inner, other])
    return pa.UnionArray.from_dense(codes, pa.array(range(rows), pa.int32()), [inner, other])


def read(source: Source, projection: Projection, block_bytes: int = 100) -> int:
    """Read a source to its end, the first record of each block once more; return the number of records."""
    records = 0
    with closing(source.open(projection)) as reader:
        for block in source.blocks(block_bytes):
            records += sum(len(batch) for batch in reader.read(block))
            reader.originals(block, [block.first_record or 0])
    return records


@settings(max_examples=40)
@given(st.data(), st.integers(0, 2))
def test_every_type_nested_two_deep_has_text_or_is_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, depth: int
) -> None:
    table = pa.table({"a": column(data.draw, depth, 7)})
    path = str(tmp_path_factory.mktemp("types") / "a.arrows")
    with pa.OSFile(path, "w") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    for source in (open_table(table), arrow.open([path], LoadOptions())):
        assert isinstance(source, TableStream)
        with contextlib.suppress(SourceError):  # a sentence; anything else is a traceback
            assert read(source, ALL) == 7


def test_unions_are_measured_and_loaded_though_arrow_cannot_tell_their_size(tmp_path: Path) -> None:
    codes = pa.array([0, 1, 0, 1], pa.int8())
    dense = pa.UnionArray.from_dense(
        codes, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, 2]), pa.array(["x", None])]
    )
    sparse = pa.UnionArray.from_sparse(codes, [pa.array([1, 2, 3, 4]), pa.array(list("abcd"))])
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), sparse)
    for name, column, wanted in (
        ("dense", dense, [b"1", b"x", b"2", None]),
        ("sparse", sparse, [b"1", b"b", b"3", b"d"]),
        ("lists", lists, [b'[1,"b"]', b'[3,"d"]']),
    ):
        path = str(tmp_path / f"{name}.arrows")
        records = pa.record_batch([column], ["u"])
        with pa.OSFile(path, "w") as file, pa.ipc.new_stream(file, records.schema) as stream:
            stream.write_batch(records)
        source = arrow.open([path], LoadOptions())
        with closing(source.open(ALL)) as reader:
            (block,) = source.blocks(1000)
            (batch,) = reader.read(block)
            assert batch.fields.column("u").to_pylist() == wanted
        assert array_bytes(column) > array_bytes(column[:1]) > 0


INTERVAL = bytes((6, 0, 8, 0, 6, 0, 6, 0, 0, 0, 0, 0))
"""How an Interval table begins in Arrow's flatbuffers; behind it is its unit."""


def with_foreign_interval(folder: Path, kind: str, unit: int, table: pa.Table) -> str:
    """Write a table whose intervals are of a unit that pyarrow has no array for."""
    sink = pa.BufferOutputStream()
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    data = bytes(sink.getvalue())
    assert INTERVAL + b"\2\0" in data
    path = folder / f"{kind}-{unit}.arrow"
    path.write_bytes(data.replace(INTERVAL + b"\2\0", INTERVAL + bytes((unit, 0))))
    return str(path)


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_an_interval_that_pyarrow_cannot_read_is_refused_where_it_is_wanted(
    tmp_path: Path, kind: str
) -> None:
    intervals = pa.array([(1, 2, 3), None], pa.month_day_nano_interval())
    for unit, name in enumerate(("month_interval", "day_time_interval")):
        path = with_foreign_interval(tmp_path, kind, unit, pa.table({"iv": intervals, "a": [1, 2]}))
        source = arrow.open([path], LoadOptions())
        assert source.fields == ("iv", "a")
        for wanted in (Projection(all=True), Projection(json=True), Projection(names=frozenset({"iv"}))):
            with pytest.raises(SourceError) as caught:
                read(source, wanted)
            assert str(caught.value) == (
                f"{path}: the field iv is of the Arrow type {name}, which pyarrow cannot read: leave it out"
                " with --exclude iv, or write it as month_day_nano_interval"
            )
        assert read(source, Projection(all=True, exclude=("iv",))) == 2
        assert read(source, Projection(names=frozenset({"a"}))) == 2


def test_such_an_interval_is_found_inside_of_other_types_and_in_objects(tmp_path: Path) -> None:
    intervals = pa.array([[{"x": (1, 2, 3)}]], pa.list_(pa.struct([("x", pa.month_day_nano_interval())])))
    path = with_foreign_interval(tmp_path, "stream", 0, pa.table({"a": intervals, "b": [1]}))
    with pytest.raises(SourceError, match="the field a is of the Arrow type month_interval"):
        read(arrow.open([path], LoadOptions()), ALL)
    with pa.OSFile(path) as file:
        source = open_table(pa.ipc.open_stream(file).read_all())
    assert isinstance(source, TableStream)
    assert read(source, Projection(all=True, exclude=("a",))) == 1
    with pytest.raises(SourceError, match="the field a is of the Arrow type month_interval"):
        read(source, ALL)
