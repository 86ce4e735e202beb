"""From templates to columns: which records have what a template needs, and the pieces it is made of."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp import BINARY, Piece
from etl.plan import Batch
from etl.report import Refusal
from etl.template import JSON, LINE, NUMBER, Field, Template


class Columns:
    """The columns of one batch by the names that templates use. Each is turned into text at most once."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.records = len(batch)
        self._names = frozenset(batch.fields.schema.names)
        self._numbers: pa.Array | None = None

    def column(self, name: str) -> pa.Array | None:
        """Give a field as ``binary``, or None where no record of the batch has it."""
        if name in self._names:
            return self.batch.fields.column(name)
        if name == NUMBER:
            if self._numbers is None and self.batch.numbers is not None:
                self._numbers = self.batch.numbers.cast(pa.string()).cast(BINARY)
            return self._numbers
        return {LINE: self.batch.line, JSON: self.batch.json}.get(name)

    def members(self, name: str) -> pa.Array | None:
        """Give an array field as ``list<binary>``, or None where no record of the batch has it."""
        name = f"{name}[]"
        return self.batch.fields.column(name) if name in self._names else None

    def pieces(self, template: Template) -> list[Piece]:
        """Give the pieces of a template that has no ``{*}`` and no ``{x[]}``; its columns must be there."""
        pieces: list[Piece] = []
        for part in template.parts:
            pieces.append(self.column(part.name) if isinstance(part, Field) else part)
        return pieces


def split(batch: Batch, templates: Iterable[Template]) -> tuple[Batch, pa.Array | None, list[Refusal]]:
    """Part the records that have every field the templates name from those that lack one.

    Gives the good records, their indices in ``batch`` (None: all of them) and the others as refusals.
    """
    columns = Columns(batch)
    refusals: dict[int, Refusal] = {}
    for name in sorted({name for template in templates for name in template.fields if name != "*"}):
        column = columns.column(name)
        if column is not None and not column.null_count:
            continue
        missing = range(len(batch)) if column is None else pc.indices_nonzero(column.is_null()).to_pylist()
        for index in missing:
            refusals.setdefault(index, Refusal(index, f"it has no field {{{name}}}"))
    if not refusals:
        return batch, None, []
    good = pa.array([index for index in range(len(batch)) if index not in refusals], pa.int64())
    return batch.take(good), good, [refusals[index] for index in sorted(refusals)]
