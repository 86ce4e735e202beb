"""Local files of tables (Parquet, Arrow, ...), cut at the groups of records that they are written in.

NOTE(pieces): a block is a group of a file, or, where a whole input has fewer than ENOUGH_GROUPS of them, a
run of a group's records, so that there is work for every worker. Who reads a run decodes the group from its
beginning, but goes on from there to the next run: a worker decodes a group at most once, and makes text, by
far the greater part of the work, of its own runs only.

A block's ``start`` and ``stop`` are the group's share of the file's bytes, so that they add up to its size.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.storage.local import File, fingerprint, restat
from etl.source.table.batch import records_json
from etl.source.table.errors import reading
from etl.source.table.format import BATCH_RECORDS, Group, Table, TableFormat
from etl.source.table.layout import Layout, field_names, layout, require_distinct, whole_layout
from etl.source.table.long_records import bounded_batches
from etl.units import DEFAULT_RECORD_BYTES

ENOUGH_GROUPS = 16
_SMALLEST_RUN = 2 * BATCH_RECORDS


@dataclass(frozen=True, slots=True)
class Piece:
    """A block's place: ``records`` records of a group, behind its first ``skip``."""

    group: int
    skip: int
    records: int
    start: int
    stop: int
    first_record: int


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Files of one format, one after the other; see ``open_table_files``. The parent has read their plans.

    Files may have different columns: ``fields`` are those of all of them, and a record of a file without one
    has no such field.
    """

    format: TableFormat
    files: tuple[File, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    fields: tuple[str, ...]
    max_record: int = DEFAULT_RECORD_BYTES

    streamed = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(os.path.realpath(file.path) for file in self.files)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.files)

    @property
    def nbytes(self) -> int:
        return sum(piece.stop - piece.start for pieces in self.pieces for piece in pieces)

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        # Groups are what the writer made them, whatever size is asked for; and their records are counted.
        number = 0
        for index, pieces in enumerate(self.pieces):
            for piece in pieces:
                yield Block(number, index, piece.start, piece.stop, piece.first_record, records=piece.records)
                number += 1

    def open(self, projection: Projection) -> TableFilesReader:
        return TableFilesReader(self, projection)

    def verify_unchanged(self) -> None:
        for file in self.files:
            restat(file)

    def name_of(self, block: Block) -> str:
        return self.files[block.file].path

    def piece(self, block: Block) -> Piece:
        """Return the place of a block that this source has made."""
        pieces = self.pieces[block.file]
        assert block.first_record is not None
        return pieces[bisect_right(pieces, block.first_record, key=lambda piece: piece.first_record) - 1]


def open_table_files(
    files: tuple[File, ...], format: TableFormat, *, max_record: int = DEFAULT_RECORD_BYTES
) -> TableFiles:
    """Read what describes each file, and make the source. Raises SourceError."""
    names: dict[str, None] = {}
    groups: list[Sequence[Group]] = []
    for file in files:
        with reading(file, format):
            table = format.open(file.path)
            try:
                require_distinct(table.schema, file.path)
                names.update(dict.fromkeys(field_names(table.schema)))
                groups.append([table.group(index) for index in range(table.group_count)])
            finally:
                table.close()
            restat(file)
    count = sum(1 for of_file in groups for group in of_file if group.records)
    runs = -(-ENOUGH_GROUPS // max(count, 1)) if count < ENOUGH_GROUPS else 1
    pieces = []
    first_record = 0
    for file, of_file in zip(files, groups, strict=True):
        pieces.append(tuple(_cut(file.size, of_file, runs, first_record)))
        first_record += sum(group.records for group in of_file)
    return TableFiles(format, files, tuple(pieces), tuple(names), max_record)


def _cut(size: int, groups: Sequence[Group], runs: int, first_record: int) -> Iterator[Piece]:
    whole = sum(group.weight for group in groups)
    weight = 0
    start = 0
    for index, group in enumerate(groups):
        length = max(-(-group.records // runs), _SMALLEST_RUN)
        length = -(-length // BATCH_RECORDS) * BATCH_RECORDS
        for skip in range(0, group.records, length):
            records = min(length, group.records - skip)
            stop = size * (weight + group.weight * (skip + records) // group.records) // max(whole, 1)
            yield Piece(index, skip, records, start, stop, first_record + skip)
            start = stop
        weight += group.weight
        first_record += group.records


class TableFilesReader:
    """Reads pieces of files; keeps the last file open, at the record behind the last that was read."""

    def __init__(self, source: TableFiles, projection: Projection) -> None:
        self._source = source
        self._projection = projection
        self._file: int | None = None
        self._table: Table | None = None
        self._cursor: _Cursor | None = None
        self._layout: Layout | None = None

    def read(self, block: Block) -> Iterator[Batch]:
        file = self._source.files[block.file]
        piece = self._source.piece(block)
        record = piece.first_record
        with reading(file, self._source.format):
            restat(file)
            self._open(block.file)
            assert self._layout is not None
            for records in self._records(piece):
                yield from bounded_batches(
                    records, self._layout, record, file=file.path, max_record=self._source.max_record
                )
                restat(file)
                record += len(records)
        if record != piece.first_record + piece.records:
            raise SourceError(f"{file.path} has fewer records than it says: is it damaged?")

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        file = self._source.files[block.file]
        piece = self._source.piece(block)
        indices = [record - piece.first_record for record in records]
        with reading(file, self._source.format):
            table = self._source.format.open(file.path)
            try:
                everything = whole_layout(table.schema, file.path)
                found = list(records_json(table.read(piece.group, piece.skip, everything), indices))
            finally:
                table.close()
        if len(found) != len(records):
            raise SourceError(f"{file.path} has fewer records than it says: is it damaged?")
        return [Reject(file.path, piece.first_record + index, None, "", raw) for index, raw in found]

    def close(self) -> None:
        self._cursor = None
        if self._table is not None:
            self._table.close()
            self._table = None
        self._file = None

    def _open(self, index: int) -> None:
        if self._file == index:
            return
        self.close()
        file = self._source.files[index]
        restat(file)
        self._table = self._source.format.open(file.path)
        self._layout = layout(self._table.schema, self._projection, file.path)
        self._file = index
        restat(file)

    def _records(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        assert self._table is not None
        assert self._layout is not None
        cursor = self._cursor
        if cursor is None or cursor.group != piece.group or cursor.position > piece.skip:
            batches = self._table.read(piece.group, piece.skip, self._layout)
            cursor = _Cursor(piece.group, piece.skip, batches)
        self._cursor = None  # given back only by a piece that was read to its end
        yield from cursor.take(piece.skip, piece.records)
        self._cursor = cursor


class _Cursor:
    """A place in a group from which on its records are read."""

    def __init__(self, group: int, position: int, batches: Iterator[pa.RecordBatch]) -> None:
        self.group = group
        self.position = position
        self._batches = batches
        self._rest: pa.RecordBatch | None = None

    def take(self, skip: int, count: int) -> Iterator[pa.RecordBatch]:
        """Return ``count`` records behind the group's first ``skip``, or as many as there are."""
        while self.position < skip + count:
            records = self._rest if self._rest is not None else next(self._batches, None)
            if records is None:
                return
            skip_mask = min(max(skip - self.position, 0), len(records))
            records = records.slice(skip_mask)
            self.position += skip_mask
            taken = min(skip + count - self.position, len(records))
            self._rest = records.slice(taken) if taken < len(records) else None
            self.position += taken
            if taken:
                yield records.slice(0, taken)
