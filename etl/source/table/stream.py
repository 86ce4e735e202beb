"""Tables that come as a stream of record batches: Python objects, query results, Arrow's stream format.

The parent cuts the stream and sends each block as an Arrow IPC stream of its own; workers make text of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.ipc

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.table.batch import records_json
from etl.source.table.layout import Layout, layout
from etl.source.table.long_records import bounded_batches
from etl.source.value.size import decoded_bytes
from etl.source.value.wrapped import settled
from etl.units import DEFAULT_RECORD_BYTES

_MOST_RECORDS = 1 << 18
"""Of a block, however short they are."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Records as they come. ``part`` is an index into the input's parts, ``nbytes`` what they are of it."""

    part: int
    records: pa.RecordBatch
    nbytes: int


class Input(Protocol):
    """Where record batches come from, in the parent; never sent anywhere."""

    def portions(self) -> Iterator[Portion]:
        """Return the records, in order, from the first on. Raises SourceError."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when the input is no longer what it was when it was opened."""


@dataclass(frozen=True, slots=True)
class TableStream:
    """A streamed table. ``parts`` are what messages call its files, or it as a whole.

    Only the parent has ``input``: a copy that travels to a worker has None there, and so no object of the
    user's, and no password of a database.
    """

    fields: tuple[str, ...]
    names: tuple[str, ...]
    parts: tuple[str, ...]
    nbytes: int | None
    input: Input | None = field(default=None, repr=False, compare=False)
    fingerprint: str | None = None
    max_record: int = DEFAULT_RECORD_BYTES

    streamed = True

    def __reduce__(self) -> tuple[Any, ...]:
        return TableStream, (self.fields, self.names, self.parts, self.nbytes, None, None, self.max_record)

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        assert self.input is not None, "a stream is cut where it was opened"
        first_record = 0
        start = 0
        for number, run in enumerate(_runs(self.input.portions(), block_bytes)):
            stop = start + run.nbytes
            yield Block(number, run.part, start, stop, first_record, payload=run.payload())
            first_record += run.count
            start = stop

    def open(self, projection: Projection) -> TableStreamReader:
        return TableStreamReader(self, projection)

    def verify_unchanged(self) -> None:
        if self.input is not None:
            self.input.verify_unchanged()

    def name_of(self, block: Block) -> str:
        return self.parts[block.file]


class _Run:
    """Records that become one block."""

    def __init__(self, part: int) -> None:
        self.part = part
        self.nbytes = 0
        self.decoded = 0
        self.count = 0
        self.pieces: list[pa.RecordBatch] = []

    def takes(self, portion: Portion) -> bool:
        return self.part == portion.part and (
            not self.pieces or self.pieces[0].schema.equals(portion.records.schema)
        )

    def add(self, records: pa.RecordBatch, nbytes: int, decoded: int) -> None:
        self.pieces.append(records)
        self.nbytes += nbytes
        self.decoded += decoded
        self.count += len(records)

    def payload(self) -> bytes:
        """Write the records as an Arrow IPC stream."""
        pieces = [_settled(piece) for piece in self.pieces]
        sink = pa.BufferOutputStream()
        if any(not piece.schema.equals(pieces[0].schema) for piece in pieces):
            # Whether a dictionary is worth keeping may differ from piece to piece.
            pieces = [_settled(piece, keep_dictionaries=False) for piece in self.pieces]
        with pa.ipc.new_stream(sink, pieces[0].schema) as writer:
            for piece in pieces:
                writer.write_batch(piece)
        return bytes(sink.getvalue())


def _runs(portions: Iterator[Portion], block_bytes: int) -> Iterator[_Run]:
    run: _Run | None = None
    for portion in portions:
        if run is not None and not run.takes(portion):
            if run.count:
                yield run
            run = None
        records = portion.records
        decoded = max(sum(decoded_bytes(column) for column in records.columns), len(records))
        start = 0
        while start < len(records):
            run = run or _Run(portion.part)
            room = max((block_bytes - run.decoded) * len(records) // decoded, 1)
            stop = min(start + room, len(records), start + _MOST_RECORDS - run.count)
            run.add(
                records.slice(start, stop - start),
                portion.nbytes * stop // len(records) - portion.nbytes * start // len(records),
                decoded * stop // len(records) - decoded * start // len(records),
            )
            start = stop
            if run.decoded >= block_bytes or room == 1 or run.count >= _MOST_RECORDS:
                yield run
                run = None
    if run is not None and run.count:
        yield run


def _settled(records: pa.RecordBatch, *, keep_dictionaries: bool = True) -> pa.RecordBatch:
    columns = [settled(column, keep_dictionaries=keep_dictionaries) for column in records.columns]
    if not columns:
        return records
    fields = [
        field if field.type == column.type else pa.field(field.name, column.type)
        for field, column in zip(records.schema, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


class TableStreamReader:
    """Reads the blocks that it is given; opens nothing."""

    def __init__(self, source: TableStream, projection: Projection) -> None:
        self._source = source
        self._projection = projection
        self._layout: Layout | None = None

    def read(self, block: Block) -> Iterator[Batch]:
        record = block.first_record
        for records in _unpacked(block):
            try:
                yield from bounded_batches(
                    records,
                    self._layout_of(records.schema, block),
                    record,
                    file=self._source.name_of(block),
                    max_record=self._source.max_record,
                )
            except pa.ArrowException as error:
                raise SourceError(f"{self._source.name_of(block)} cannot be read: {error}") from None
            record = None if record is None else record + len(records)

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        name, first = self._source.name_of(block), block.first_record or 0
        found = list(records_json(_unpacked(block), [record - first for record in records]))
        if len(found) != len(records):
            raise IndexError(f"{name} has fewer records in its block {block.number:,}")
        return [Reject(name, first + index, None, "", raw) for index, raw in found]

    def close(self) -> None:
        """Nothing is open."""

    def _layout_of(self, schema: pa.Schema, block: Block) -> Layout:
        if self._layout is None or not self._layout.schema.equals(schema):
            self._layout = layout(schema, self._projection, self._source.name_of(block))
        return self._layout


def _unpacked(block: Block) -> list[pa.RecordBatch]:
    assert block.payload is not None, "a stream's block has come without its payload"
    pieces = list(pa.ipc.open_stream(pa.py_buffer(block.payload)))
    try:
        return [pa.concat_batches(pieces)] if len(pieces) > 1 else pieces
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pieces  # there are types that Arrow cannot put together
