"""Which columns of a schema are wanted, and under which names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pyarrow as pa

from etl.errors import SourceError
from etl.plan import Projection, require_own_names
from etl.source.table.types import foreign_type, require_text
from etl.template import ALL, JSON, LINE, NUMBER

_NO_FIELD = frozenset((ALL, NUMBER, LINE, JSON))


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
        return tuple(dict.fromkeys(".".join(names_of(self.schema, path)) for path in self.paths))

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


def whole_layout(schema: pa.Schema, file: str) -> Layout:
    """Return the layout of all columns that pyarrow can read. Raises SourceError, naming ``file``."""
    foreign = tuple(field.name for field in schema if foreign_type(field.type))
    return layout(schema, Projection(all=True, exclude=foreign), file)


def field_names(schema: pa.Schema) -> tuple[str, ...]:
    """Name what templates can name in records of this schema: its columns, then structs' fields (``a.b``)."""
    names = dict.fromkeys(schema.names)
    for index, field in enumerate(schema):
        names.update(dict.fromkeys(".".join(names_of(schema, path)) for path in _inner(field, (index,))))
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
            names = names_of(schema, path)
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


def names_of(schema: pa.Schema, path: tuple[int, ...]) -> list[str]:
    return [_field(schema, path[: depth + 1]).name for depth in range(len(path))]
