"""Records of an Arrow batch as the batch that templates want: the part that all tables share.

Which of a schema's columns those are is a Layout, made once for a schema; a projection's names are looked up
there and nowhere else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Batch
from etl.source.table.format import BATCH_RECORDS
from etl.source.table.layout import Column, Layout, names_of
from etl.source.text.numbering import number_column
from etl.source.value.json import json_objects, json_of
from etl.source.value.scalars import NOTHING
from etl.source.value.size import decoded_bytes
from etl.source.value.text import members_of, text_of
from etl.units import MIB

_BATCH_BYTES = 4 * MIB
"""Text, above all JSON, may be several times as long as what it is made from."""

_EMPTY = pa.RecordBatch.from_arrays([], names=[])


def batches_of(records: pa.RecordBatch, layout: Layout, first_record: int | None) -> Iterator[Batch]:
    """Return records as batches of bounded size (see ``batch_of``)."""
    for start, length in _cuts(records, wide=layout.projection.json or layout.projection.line):
        number = None if first_record is None else first_record + start
        yield batch_of(records.slice(start, length), layout, number)


def batch_of(records: pa.RecordBatch, layout: Layout, first_record: int | None) -> Batch:
    """Return records as the batch that a projection wants: texts as the table in ``value/text.py`` has them.

    ``records`` may have more or fewer columns than the layout's schema: those needed are found by name. A
    wanted field that the schema does not have is a column of nulls. ``{line}`` is ``{json}`` here, an object
    of the fields of ``{*}`` with null for null: a table has no other original text.
    """
    projection = layout.projection
    names: list[str] = []
    columns: list[pa.Array] = []
    for column in layout.fields:
        text = _text(records, layout, column)
        names.append(column.name)
        columns.append(_absent_if_empty(text) if projection.omit_empty else text)
    for column in layout.lists:
        names.append(f"{column.name}[]")
        columns.append(_members(records, layout, column))
    for name in layout.absent:
        names.append(name)
        columns.append(pa.nulls(len(records), pa.list_(pa.binary()) if name.endswith("[]") else pa.binary()))
    objects = _objects(records, layout) if projection.json or projection.line else None
    return Batch(
        fields=pa.RecordBatch.from_arrays(columns, names=names) if names else _EMPTY,
        spread=tuple(column.name for column in layout.spread) if projection.all else (),
        numbers=number_column(first_record, len(records)),
        line=objects if projection.line else None,
        json=objects if projection.json else None,
        rows=-1 if names else len(records),
    )


def records_json(batches: Iterable[pa.RecordBatch], indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the records at ``indices`` (ascending) of batches in order, as JSON text with all their fields.

    Each comes with its index. What lies behind the last batch is left out; none is read that is not needed.
    """
    first = done = 0
    for batch in batches:
        last = bisect_left(indices, first + len(batch), done)
        if last > done:
            here = pa.array([index - first for index in indices[done:last]], pa.int64())
            yield from zip(indices[done:last], _json_at(batch, here).to_pylist(), strict=True)
        first, done = first + len(batch), last
        if done == len(indices):
            return


def _json_at(batch: pa.RecordBatch, indices: pa.Array) -> pa.Array:
    def written(records: pa.RecordBatch) -> pa.Array:
        values = [json_of(column) for column in records.columns]
        return json_objects(records.schema.names, values, len(records))

    try:
        chosen = batch.take(indices)
    except pa.ArrowNotImplementedError:  # there are types of which Arrow cannot take some
        return written(batch).take(indices)
    return written(chosen)


def _text(records: pa.RecordBatch, layout: Layout, column: Column) -> pa.Array:
    array, there = _array(records, layout, column)
    text = text_of(array, vectors=layout.projection.vectors)
    return text if there is None else pc.if_else(there, text, NOTHING)


def _members(records: pa.RecordBatch, layout: Layout, column: Column) -> pa.Array:
    array, there = _array(records, layout, column)
    members = members_of(array, vectors=layout.projection.vectors)
    return members if there is None else pc.if_else(there, members, pa.scalar(None, members.type))


def _json(records: pa.RecordBatch, layout: Layout, column: Column) -> pa.Array:
    array, there = _array(records, layout, column)
    text = json_of(array)
    return text if there is None else pc.if_else(there, text, b"null")


def _array(records: pa.RecordBatch, layout: Layout, column: Column) -> tuple[pa.Array, pa.Array | None]:
    """Return the array at a path, and where the structs around it are there (None: everywhere)."""
    names = names_of(layout.schema, column.path)
    array = records.column(names[0])
    there = None
    for name in names[1:]:
        if array.null_count:
            valid = array.is_valid()
            there = valid if there is None else pc.and_(there, valid)
        array = array.field(next(index for index, field in enumerate(array.type) if field.name == name))
    return array, there


def _objects(records: pa.RecordBatch, layout: Layout) -> pa.Array:
    values = [_json(records, layout, column) for column in layout.spread]
    return json_objects([column.name for column in layout.spread], values, len(records))


def _absent_if_empty(text: pa.Array) -> pa.Array:
    empty = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(empty, NOTHING, text) if pc.any(empty).as_py() else text


def _cuts(records: pa.RecordBatch, *, wide: bool) -> Iterator[tuple[int, int]]:
    total = len(records)
    nbytes = sum(decoded_bytes(column) for column in records.columns)
    if wide:
        nbytes += total * sum(len(name) for name in records.schema.names)
    pieces = max(-(-nbytes // _BATCH_BYTES), -(-total // BATCH_RECORDS), 1)
    length = max(-(-total // pieces), 1)
    for start in range(0, total, length):
        yield start, min(length, total - start)
