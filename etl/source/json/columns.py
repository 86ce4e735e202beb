"""Decoded JSON objects to a batch: which of their values become which columns.

Strings are unescaped, numbers keep their literal text, ``true`` and ``false`` are those words, objects and
arrays become compact JSON text (numbers in them as written, keys in their order). A field that is ``null`` is
absent; in JSON text it stays ``null``. Of two fields of one name the last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Batch, Projection, Reject
from etl.source.json.literals import WHITE, Literals
from etl.source.text.format import Origin
from etl.source.text.numbering import number_column, record_number
from etl.source.text.wide import require_narrow
from etl.template import JSON, LINE

_BINARY = pa.binary()


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is no JSON object: its index in the block, its first byte there, why, and its bytes."""

    index: int
    start: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """Objects of one block, decoded by ``literals``; ``raws`` are their bytes, where anyone wants them."""

    literals: Literals
    records: list[dict[str, Any]]
    raws: list[bytes] | None = None
    bad: tuple[Bad, ...] = ()


def wants_raws(projection: Projection) -> bool:
    """Return True if the original bytes of records are wanted."""
    return projection.line or (projection.json and not changes(projection))


def make_batch(parsed: Parsed, projection: Projection, origin: Origin) -> Batch:
    """Make the batch that a projection wants. Raises WideError."""
    columns = _Columns(parsed, projection)
    if projection.all:
        columns.add_spread()
    for name in sorted(projection.lists):
        columns.add_members(name)
    for name in sorted(projection.names):
        columns.add_named(name)
    rejects = (
        Reject(origin.file, record_number(origin, bad.index), origin.offset + bad.start, bad.reason, bad.raw)
        for bad in parsed.bad
    )
    return Batch(
        fields=pa.RecordBatch.from_arrays(list(columns.made.values()), names=list(columns.made)),
        spread=columns.spread,
        numbers=_numbers(parsed, origin),
        line=columns.line,
        json=columns.json,
        rejects=tuple(rejects),
        rows=-1 if columns.made else len(parsed.records),
    )


def _numbers(parsed: Parsed, origin: Origin) -> pa.Array | None:
    numbers = number_column(origin.first_record, len(parsed.records) + len(parsed.bad))
    if numbers is None or not parsed.bad:
        return numbers
    bad = {bad.index for bad in parsed.bad}
    return numbers.take(pa.array([index for index in range(len(numbers)) if index not in bad], pa.int64()))


def changes(projection: Projection) -> bool:
    """Return True if ``{json}`` may differ from the record's own text."""
    return bool(
        projection.include is not None
        or projection.exclude
        or projection.rename
        or projection.flatten
        or projection.omit_empty
    )


class _Columns:
    """The columns of one batch while they are made."""

    def __init__(self, parsed: Parsed, projection: Projection) -> None:
        self._literals = parsed.literals
        self._projection = projection
        self._records = parsed.records
        self._flat = [_flatten(record) for record in parsed.records] if projection.flatten else parsed.records
        self.made: dict[str, pa.Array] = {}
        self.spread: tuple[str, ...] = ()
        self.line = pa.array(parsed.raws, _BINARY) if projection.line else None
        self.json: pa.Array | None = None
        self._sources: dict[str, list[str]] = {}
        if projection.all or (projection.json and changes(projection)):
            self._sources = spread_names(dict.fromkeys(chain.from_iterable(self._flat)), projection)
        if projection.json:
            self.json = self._objects() if changes(projection) else _stripped(parsed.raws or [])

    def _objects(self) -> pa.Array:
        chosen = {old: new for new, names in self._sources.items() for old in names}
        objects = [
            {chosen[name]: value for name, value in record.items() if name in chosen} for record in self._flat
        ]
        if self._projection.omit_empty:
            objects = [{name: value for name, value in one.items() if value != ""} for one in objects]
        return pa.array(self._literals.encode(objects), _BINARY)

    def add_spread(self) -> None:
        require_narrow(len(self._sources), len(self._records))
        self.spread = tuple(self._sources)
        for new, names in self._sources.items():
            self.made[new] = self._column(
                _first([[record.get(old) for record in self._flat] for old in names])
            )

    def add_named(self, name: str) -> None:
        if name in self.made:
            return
        column = self._column(self._values(name))
        original = {LINE: self.line, JSON: self.json}.get(name)
        if original is not None:
            # These two names mean the whole record where it has no field of the name.
            if column.null_count == len(column):
                return
            column = pc.coalesce(column, original)
        self.made[name] = column

    def add_members(self, name: str) -> None:
        """Add the members of an array field as ``name[]``; any other value counts as an array of one."""
        values = self._values(name)
        lists = [value if isinstance(value, list) else [value] for value in values]
        absent = ("", None) if self._projection.omit_empty else (None,)
        members = [[member for member in one if member not in absent] for one in lists]
        offsets = pa.array([0, *accumulate(map(len, members))], pa.int32())
        # An empty array is there, and has no members; null is not.
        mask = [not isinstance(value, list) and not some for value, some in zip(values, members, strict=True)]
        texts = self._literals.column(list(chain.from_iterable(members)))
        self.made[f"{name}[]"] = pa.ListArray.from_arrays(offsets, texts, mask=pa.array(mask, pa.bool_()))

    def _values(self, name: str) -> list[Any]:
        """Return the values of a field that a template names."""
        names = self._projection.source_names(name)
        return _first([self._source_values(name) for name in names]) if names else [None] * len(self._records)

    def _source_values(self, name: str) -> list[Any]:
        values = [record.get(name) for record in self._flat]
        if self._flat is not self._records or "." in name:
            for index, record in enumerate(self._flat):
                if name not in record:
                    values[index] = find(self._records[index], name)
        return values

    def _column(self, values: list[Any]) -> pa.Array:
        column = self._literals.column(values)
        if self._projection.omit_empty:
            return pc.if_else(pc.equal(column, b""), None, column)
        return column


def spread_names(names: Iterable[str], projection: Projection) -> dict[str, list[str]]:
    """Choose what ``{*}`` and ``{json}`` hold of fields with these names: by new names, in order.

    Where one new name has several, a record has one of them only (``json_renamed`` sees to that).
    """
    hidden = {f"{name}[]" for name in projection.lists}  # such a name stands for an array's members
    chosen: dict[str, list[str]] = {}
    for name in names:
        new = projection.new_name(name)
        if spreads(projection, name) and new not in hidden:
            chosen.setdefault(new, []).append(name)
    return chosen


def _first(columns: list[list[Any]]) -> list[Any]:
    """Return each record's first value that is not null."""
    if len(columns) == 1:
        return columns[0]
    return [next((value for value in row if value is not None), None) for row in zip(*columns, strict=True)]


def _stripped(raws: Sequence[bytes]) -> pa.Array:
    return pa.array([raw.strip(WHITE) for raw in raws], _BINARY)


def spreads(projection: Projection, name: str) -> bool:
    """Return True if a field is in ``{*}``. With ``flatten`` a name also chooses what is nested below it."""
    if not projection.flatten or "." not in name:
        return projection.spreads(name)
    steps = name.split(".")
    names = {".".join(steps[:depth]) for depth in range(1, len(steps) + 1)}
    included = projection.include is None or not names.isdisjoint(projection.include)
    return included and names.isdisjoint(projection.exclude)


def _flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Spread nested objects into ``a.b``; arrays, and objects without a field, stay as they are."""
    if dict not in set(map(type, record.values())):
        return record
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            for below, nested in _flatten(value).items():
                flat[f"{name}.{below}"] = nested
        else:
            flat[name] = value
    return flat


def find(value: Any, path: str) -> Any:
    """Walk into nested objects and arrays: ``address.city``, ``tags.0``. Gives None where there is nothing.

    A key that itself has dots in it counts before a walk does.
    """
    if isinstance(value, dict):
        if path in value:
            return value[path]
        dot = path.find(".")
        while dot >= 0:
            if path[:dot] in value:
                found = find(value[path[:dot]], path[dot + 1 :])
                if found is not None:
                    return found
            dot = path.find(".", dot + 1)
    elif isinstance(value, list):
        index, _, rest = path.partition(".")
        if index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(value):
            member = value[int(index)]
            return find(member, rest) if rest else member
    return None
