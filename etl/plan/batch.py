"""Records of one block by columns, and those that were refused."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was refused: where it stands, why, and its original bytes.

    ``record`` is its number through the whole input (None if unknown), ``offset`` its first byte
    in the file (None where the format has no such thing).
    """

    file: str
    record: int | None
    offset: int | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one block, in order, by columns of the same length.

    ``fields``: one ``binary`` column a field, null where the record has no such field (a column named
    ``x[]`` is ``list<binary>``, the members of the array field ``x``). ``spread`` names the columns that
    ``{*}`` stands for, in order. ``numbers`` (int64) are the records' numbers, ``line`` (binary) their
    original text, ``json`` (binary) their JSON text: None if not asked for. ``rejects`` are
    records of the block that are in no column, because they could not be parsed. ``slots`` (uint16) are the
    hash slots of the records' keys, in ascending order: None but for a part that goes to a node of a cluster.
    """

    fields: pa.RecordBatch
    spread: tuple[str, ...] = ()
    numbers: pa.Array | None = None
    line: pa.Array | None = None
    json: pa.Array | None = None
    rejects: tuple[Reject, ...] = ()
    rows: int = -1  # given where ``fields`` has no column to tell it
    slots: pa.Array | None = None

    def __len__(self) -> int:
        return self.rows if self.rows >= 0 else int(self.fields.num_rows)

    def take(self, indices: pa.Array) -> Batch:
        """Return the records at ``indices`` as a batch of their own, without the rejects."""

        def some(column: pa.Array | None) -> pa.Array | None:
            return None if column is None else column.take(indices)

        return Batch(
            fields=self.fields.take(indices) if self.fields.num_columns else self.fields,
            spread=self.spread,
            numbers=some(self.numbers),
            line=some(self.line),
            json=some(self.json),
            rows=len(indices) if self.rows >= 0 else -1,
        )


NO_FIELDS = pa.RecordBatch.from_arrays([], names=[])
"""The fields of records that have none: such a batch gives its ``rows``."""
