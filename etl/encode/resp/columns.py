"""From templates to columns: which records have what a template needs, and the pieces it is made of."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.expiry import durations, instants
from etl.encode.resp.protocol import BINARY, Piece, text_column
from etl.plan import Batch, Refusal
from etl.template import ALL, JSON, LINE, NUMBER, Field, Milliseconds, Template
from etl.times import A_DURATION, AN_INSTANT


class Columns:
    """The columns of one batch by the names that templates use. Each is turned into text at most once."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.records = len(batch)
        self._names = frozenset(batch.fields.schema.names)
        self._numbers: pa.Array | None = None

    def column(self, name: str) -> pa.Array | None:
        """Return a field as ``binary``, or None where no record of the batch has it."""
        if name == NUMBER:  # whatever a field of this name would hold
            if self._numbers is None and self.batch.numbers is not None:
                self._numbers = self.batch.numbers.cast(pa.string()).cast(BINARY)
            return self._numbers
        if name in self._names:
            return self.batch.fields.column(name)
        return {LINE: self.batch.line, JSON: self.batch.json}.get(name)

    def field(self, name: str) -> pa.Array | None:
        """Return a field of the records, whatever else its name may stand for in a template."""
        return self.batch.fields.column(name) if name in self._names else None

    def members(self, name: str) -> pa.Array | None:
        """Return an array field as ``list<binary>`` without null members, or None where no record has it."""
        name = f"{name}[]"
        return _without_nulls(self.batch.fields.column(name)) if name in self._names else None

    def pieces(self, template: Template) -> list[Piece]:
        """Return the pieces of a template that has no ``{*}`` and no ``{x[]}``; its columns must be there."""
        pieces: list[Piece] = []
        for part in template.parts:
            if isinstance(part, Milliseconds):
                text = text_column(self.pieces(part.text), self.records)
                pieces.append(instants(text) if part.absolute else durations(text))
            else:
                pieces.append(self.column(part.name) if isinstance(part, Field) else part)
        return pieces


def key_column(key: Template, batch: Batch) -> pa.Array:
    """Return the key of each record (``binary``); records without one of its fields are not in ``batch``."""
    columns = Columns(batch)
    column = text_column(columns.pieces(key), columns.records)
    return column if column.type == BINARY else column.cast(BINARY)


def _without_nulls(members: pa.Array) -> pa.Array:
    values = members.flatten()
    if not values.null_count:
        return members
    none = pa.array([0], pa.int32())
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(members), 0).cast(pa.int32()))
    kept = pa.concat_arrays([none, pc.cumulative_sum(values.is_valid().cast(pa.int32()))])
    return pa.ListArray.from_arrays(kept.take(pa.concat_arrays([none, ends])), values.drop_null())


_POSITIVE = "^[1-9][0-9]{0,14}$"


def split(
    batch: Batch,
    templates: Iterable[Template],
    *,
    keys: Iterable[Template] = (),
    integers: Sequence[Template] = (),
    more: Iterable[Refusal] = (),
) -> tuple[Batch, list[Refusal]]:
    """Part the records that have every field the templates name from those that lack one.

    Returns the good records and the others as refusals, with those that ``more`` refuses. A record for which
    all fields of one of the ``keys`` are empty is refused: all such records would share one key. What
    ``integers`` (an expiry) give has to be a positive whole number: a server would notice only after it has
    written the record, or delete the record for a zero without a word.
    """
    columns = Columns(batch)
    refusals: dict[int, Refusal] = {}
    always = {ALL} if batch.numbers is None else {ALL, NUMBER}  # every record has them
    names = {name for template in templates for name in template.fields}
    for name in sorted(names - always):
        column = columns.column(name)
        if column is not None and not column.null_count:
            continue
        missing = range(len(batch)) if column is None else pc.indices_nonzero(column.is_null()).to_pylist()
        for index in missing:
            refusals.setdefault(index, Refusal(index, f"it has no field {{{name}}}"))
    for key in keys:
        for index in _empty(key, columns):
            refusals.setdefault(index, Refusal(index, f"its key is empty: {_named(key)} no text"))
    for template in integers:
        if template.constant or any(columns.column(name) is None for name in template.fields):
            continue
        text = text_column(columns.pieces(template), columns.records)
        wrong = pc.invert(pc.fill_null(pc.match_substring_regex(text, _POSITIVE), False))
        for index in pc.indices_nonzero(wrong).to_pylist():
            refusals.setdefault(index, Refusal(index, _no_expiry(template)))
    for refusal in more:
        refusals.setdefault(refusal.index, refusal)
    if not refusals:
        return batch, []
    good = pa.array(survivors(len(batch), refusals), pa.int64())
    return batch.take(good), [refusals[index] for index in sorted(refusals)]


def _empty(key: Template, columns: Columns) -> list[int]:
    """Return the records for which every field of a key is an empty text; a missing one does not count."""
    if key.constant or NUMBER in key.fields:
        return []
    empty: pa.Array | None = None
    for name in key.fields:
        column = columns.column(name)
        if column is None:
            return []
        each = pc.equal(pc.binary_length(column), 0)
        empty = each if empty is None else pc.and_(empty, each)
    return [] if empty is None else list(pc.indices_nonzero(pc.fill_null(empty, False)).to_pylist())


def _no_expiry(template: Template) -> str:
    for part in template.parts:
        if isinstance(part, Milliseconds):
            return f"its expiry is not {AN_INSTANT if part.absolute else A_DURATION}"
    return "its expiry is no positive whole number"


def _named(key: Template) -> str:
    names = [f"{{{part.name}}}" for part in key.parts if isinstance(part, Field)]
    return f"{' and '.join(dict.fromkeys(names))} {'has' if len(set(names)) == 1 else 'have'}"


def survivors(records: int, refused: Container[int]) -> list[int]:
    """Return the indices in a batch of the records that are not refused: where each of them stood."""
    return [index for index in range(records) if index not in refused]
