"""Records of an Arrow batch as the batch that templates want: the part that all tables share.

Which of a schema's columns those are is a Layout, made once for a schema; a projection's names are looked up
there and nowhere else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import SourceError
from etl.plan import Batch, Projection, require_own_names
from etl.source.formats.lines import number_column
from etl.source.table.types import require_text
from etl.source.value.json import json_objects, json_of
from etl.source.value.scalars import NOTHING
from etl.source.value.size import decoded_bytes
from etl.source.value.text import members_of, text_of
from etl.template import ALL, JSON, LINE, NUMBER
from etl.units import MIB

BATCH_RECORDS = 16_384
"""As fast as any bigger number here, and a sixteenth of the memory of a million."""

_BATCH_BYTES = 4 * MIB
"""Text, above all JSON, may be several times as long as what it is made from."""

_NO_FIELD = frozenset((ALL, NUMBER, LINE, JSON))
_EMPTY = pa.RecordBatch.from_arrays([], names=[])


@dataclass(frozen=True, slots=True)
class Column:
    """A field under its new name, and the way to it: a column's index, then indices of structs' fields."""

    name: str
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a projection wants of the records of one schema.

    ``fields`` and ``lists`` are columns of the batch (without one in ``absent``: wanted, but not there),
    ``spread`` are the columns of ``{*}`` and ``{json}``.
    """

    schema: pa.Schema
    projection: Projection
    fields: tuple[Column, ...]
    lists: tuple[Column, ...]
    absent: tuple[str, ...]
    spread: tuple[Column, ...]

    @property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """The ways to all that is needed, in the schema's order."""
        columns = self.fields + self.lists
        if self.projection.json or self.projection.line:
            columns += self.spread
        return tuple(sorted({column.path for column in columns}))

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of what is needed, of a struct only its parts (``a.b``), as Parquet's reader takes them."""
        return tuple(dict.fromkeys(".".join(_names(self.schema, path)) for path in self.paths))

    @property
    def columns(self) -> tuple[int, ...]:
        """Indices of the schema's columns that are needed at least in part."""
        return tuple(dict.fromkeys(path[0] for path in self.paths))


def layout(schema: pa.Schema, projection: Projection, file: str) -> Layout:
    """Find what a projection wants in a schema. Raises SourceError, naming ``file``."""
    require_distinct(schema, file)
    spread = tuple(_spread(schema, projection))
    require_own_names([column.name for column in spread], file)
    named = [projection.new_name(name) for name in schema.names]
    require_own_names([name for name in named if name in projection.names | projection.lists], file)
    fields = {column.name: column.path for column in spread} if projection.all else {}
    absent = []
    for name in sorted(projection.names - fields.keys()):
        path = _find(schema, projection, name)
        if path is not None:
            fields[name] = path
        elif name not in _NO_FIELD:
            absent.append(name)
    lists = []
    for name in sorted(projection.lists):
        path = _find(schema, projection, name)
        if path is None:
            absent.append(f"{name}[]")
            continue
        lists.append(Column(name, path))
    columns = tuple(Column(name, path) for name, path in fields.items())
    made = Layout(schema, projection, columns, tuple(lists), tuple(absent), spread)
    require_text(schema, made.paths, file)
    return made


def batches_of(records: pa.RecordBatch, layout: Layout, first_record: int | None) -> Iterator[Batch]:
    """Give records as batches of bounded size (see ``batch_of``)."""
    for start, length in _cuts(records, wide=layout.projection.json or layout.projection.line):
        number = None if first_record is None else first_record + start
        yield batch_of(records.slice(start, length), layout, number)


def batch_of(records: pa.RecordBatch, layout: Layout, first_record: int | None) -> Batch:
    """Give records as the batch that a projection wants: texts as the table in ``arrow_text`` has them.

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


def field_names(schema: pa.Schema) -> tuple[str, ...]:
    """Name what templates can name in records of this schema: its columns, then structs' fields (``a.b``)."""
    names = dict.fromkeys(schema.names)
    for index, field in enumerate(schema):
        names.update(dict.fromkeys(".".join(_names(schema, path)) for path in _inner(field, (index,))))
    return tuple(names)


def require_distinct(schema: pa.Schema, file: str) -> None:
    """Raise SourceError where two columns have the same name."""
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"{file} has two columns named {twice!r}: give each a name of its own")


def _spread(schema: pa.Schema, projection: Projection) -> Iterator[Column]:
    for index, field in enumerate(schema):
        paths = _leaves(field, (index,)) if projection.flatten else [(index,)]
        for path in paths:
            names = _names(schema, path)
            above = [".".join(names[: depth + 1]) for depth in range(len(names))]
            included = projection.include is None or any(name in projection.include for name in above)
            new = _new_name(projection, above)
            if included and not any(name in projection.exclude for name in above):
                yield Column(new, path)


def _new_name(projection: Projection, above: list[str]) -> str:
    """Rename a field by its own name, or else by that of the innermost struct around it that is renamed."""
    full = above[-1]
    for name in reversed(above):
        if projection.new_name(name) != name:
            return projection.new_name(name) + full.removeprefix(name)
    return full


def _find(schema: pa.Schema, projection: Projection, name: str) -> tuple[int, ...] | None:
    """Find a field by its new name: a column, or behind a column's old or new name and a dot a part of it."""
    sources = projection.source_names(name)
    for source in sources:
        if source in schema.names:
            return (schema.names.index(source),)
    for source, (index, field) in product(sources, enumerate(schema)):
        for head in (field.name, projection.new_name(field.name)):
            inner = _within(field.type, source[len(head) + 1 :]) if source.startswith(f"{head}.") else None
            if inner is not None:
                return (index, *inner)
    return None


def _within(type: pa.DataType, name: str) -> tuple[int, ...] | None:
    if not pa.types.is_struct(type):
        return None
    for index in range(type.num_fields):
        if type.field(index).name == name:
            return (index,)
    for index in range(type.num_fields):
        head = type.field(index).name + "."
        inner = _within(type.field(index).type, name.removeprefix(head)) if name.startswith(head) else None
        if inner is not None:
            return (index, *inner)
    return None


def _leaves(field: pa.Field, path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if not (pa.types.is_struct(field.type) and field.type.num_fields):
        yield path
        return
    for index in range(field.type.num_fields):
        yield from _leaves(field.type.field(index), (*path, index))


def _inner(field: pa.Field, path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if not pa.types.is_struct(field.type):
        return
    for index in range(field.type.num_fields):
        yield (*path, index)
        yield from _inner(field.type.field(index), (*path, index))


def _field(schema: pa.Schema, path: tuple[int, ...]) -> pa.Field:
    field = schema.field(path[0])
    for index in path[1:]:
        field = field.type.field(index)
    return field


def _names(schema: pa.Schema, path: tuple[int, ...]) -> list[str]:
    return [_field(schema, path[: depth + 1]).name for depth in range(len(path))]


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
    """Give the array at a path, and where the structs around it are there (None: everywhere)."""
    names = _names(layout.schema, column.path)
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
