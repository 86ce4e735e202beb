"""Members that belong together: those of a record's list, set or sorted set, the strings of a bucket.

NOTE(runs): members of all records lie one after the other in one column, so what is made of each member in
one join is, from one record's first to its last, what its value is made of: no record is touched by Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns
from etl.encode.resp.lookup import join_lookups
from etl.encode.resp.protocol import BINARY, join_column, text_column
from etl.template import Field, Template

_ZERO = pa.array([0], pa.int32())


def join_runs(pieces: Sequence[Any], bounds: pa.Array, members: int) -> pa.Array:
    """Join pieces member by member (for ``join_lookups``); return what each run's members make."""
    column = join_column(join_lookups(pieces), members)
    _, offsets, data = column.buffers()
    ends = pa.Array.from_buffers(pa.int32(), members + 1, [None, offsets]).take(bounds)
    return pa.Array.from_buffers(BINARY, len(bounds) - 1, [None, ends.buffers()[1], data])


def runs_without(marked: pa.Array, bounds: pa.Array) -> pa.Array:
    """Return which runs have none of the ``marked`` members."""
    marks = pc.cumulative_sum(marked.cast(pa.int32()))
    marks = pa.concat_arrays([_ZERO, marks]).take(bounds)
    return pc.equal(marks.slice(1), marks.slice(0, len(bounds) - 1))


def bounds_of(counts: pa.Array) -> pa.Array:
    """Return the bounds (int32) of runs of so many members."""
    return pa.concat_arrays([_ZERO, pc.cumulative_sum(counts.cast(pa.int32()))])


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of members, one a record: run ``i`` has those from ``bounds[i]`` to ``bounds[i + 1]`` (int32).

    ``columns`` hold what there is of each member: its text first, and perhaps its score.
    """

    bounds: pa.Array
    columns: tuple[pa.Array, ...]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def members(self) -> pa.Array:
        """The members' texts (``binary``)."""
        return self.columns[0]

    @property
    def counts(self) -> pa.Array:
        """The number of members of each run (int32)."""
        return pc.subtract(self.bounds.slice(1), self.bounds.slice(0, len(self)))

    @property
    def owners(self) -> pa.Array:
        """The run that each member is in (int32)."""
        return pc.list_parent_indices(pa.ListArray.from_arrays(self.bounds, self.members)).cast(pa.int32())

    def joined(self, pieces: Sequence[Any]) -> pa.Array:
        """Join pieces member by member (for ``join_lookups``); return what each run's members make."""
        return join_runs(pieces, self.bounds, len(self.members))

    def without(self, marked: pa.Array) -> pa.Array:
        """Return which runs have none of the ``marked`` members."""
        return runs_without(marked, self.bounds)

    def sums(self, sizes: pa.Array) -> pa.Array:
        """Return what a number of each member comes to in each run (int64)."""
        ends = pa.concat_arrays([_ZERO.cast(pa.int64()), pc.cumulative_sum(sizes.cast(pa.int64()))])
        ends = ends.take(self.bounds)
        return pc.subtract(ends.slice(1), ends.slice(0, len(self)))

    def some(self, indices: pa.Array) -> Runs:
        """Return the runs at ``indices``."""
        columns = (
            pa.ListArray.from_arrays(self.bounds, column).take(indices).flatten() for column in self.columns
        )
        return Runs(bounds_of(self.counts.take(indices)), tuple(columns))

    def chosen(self, positions: pa.Array) -> Runs:
        """Return the members at these positions alone, in this order; each run keeps one at least."""
        counts = pc.value_counts(self.owners.take(positions))
        order = pc.sort_indices(counts.field("values"))
        columns = (column.take(positions) for column in self.columns)
        return Runs(bounds_of(counts.field("counts").take(order)), tuple(columns))


def runs_of(template: Template, columns: Columns) -> Runs:
    """Return the members that a template makes of each record: those of an array field, or one."""
    if not template.lists:
        text = text_column(columns.pieces(template), columns.records)
        return Runs(bounds_of(pa.repeat(pa.scalar(1, pa.int32()), columns.records)), (text,))
    lists = columns.members(next(iter(template.lists)))
    assert lists is not None  # ``split_spread`` has refused the others
    members = lists.flatten()
    parts = [members if isinstance(part, Field) else part for part in template.parts]
    texts = text_column(parts, len(members))
    return Runs(bounds_of(pc.list_value_length(lists)), (texts,))


Pieces = Sequence[Any]
"""Pieces for ``join_lookups``."""

Make = Callable[[Runs], Pieces]
"""Returns the pieces of the values of runs: the type, what says how long the body is, those of the body."""


def by_encoding(runs: Runs, choices: Sequence[tuple[pa.Array | None, Make]], otherwise: Make) -> list[Any]:
    """Return the pieces of the values: each run's by the first choice that suits it (None: no run), or else.

    Where not all take the same way, pieces become columns.
    """
    rest = pa.array(range(len(runs)), pa.int64())
    parts: list[tuple[pa.Array, Sequence[Any]]] = []
    for suited, make in choices:
        if suited is None or not len(rest):
            continue
        here = suited.take(rest)
        if here.true_count:
            indices = rest.filter(here)
            parts.append((indices, make(runs if len(indices) == len(runs) else runs.some(indices))))
            rest = rest.filter(pc.invert(here))
    if len(rest):
        parts.append((rest, otherwise(runs if len(rest) == len(runs) else runs.some(rest))))
    return in_order(parts)


def in_order(parts: Sequence[tuple[pa.Array, Pieces]]) -> list[Any]:
    """Return the pieces of the parts of a batch, given with the indices of their records, as of one.

    The first two are apart; those after them, of which parts may have more or fewer, are joined.
    """
    if len(parts) == 1:
        return list(parts[0][1])
    order = pc.sort_indices(pa.concat_arrays([indices for indices, _ in parts]))
    lengths = [len(indices) for indices, _ in parts]
    each = [
        (*pieces[:2], _joined(pieces[2:], records))
        for (_, pieces), records in zip(parts, lengths, strict=True)
    ]
    columns = (list(map(_column, pieces, lengths)) for pieces in zip(*each, strict=True))
    return [pa.concat_arrays(column).take(order) for column in columns]


def _joined(pieces: Pieces, records: int) -> Any:
    return pieces[0] if len(pieces) == 1 else join_column(join_lookups(pieces), records)


def _column(piece: Any, records: int) -> pa.Array:
    if isinstance(piece, bytes):
        return pa.repeat(pa.scalar(piece, BINARY), records)
    return piece if isinstance(piece, pa.Array) else piece.column()
