"""Records that have too few fields in common for one batch: parsed in parts.

A batch is columns of one length. Where each record brings fields of its own (``{"user:17": 1}``), a block of
n records would have n columns of n rows; in halves it is half of that, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from etl.plan import Batch, Projection
from etl.source.text.format import Origin, TextFormat, WideError
from etl.source.text.long_records import long_record
from etl.units import MAX_RECORD_BYTES, format_count

MAX_CELLS = 1 << 20
"""Most values of one batch, the absent ones included (4 bytes each, and 8 while it is made)."""

_ROWS_OF_A_COLUMN = 16
"""A column costs as much as this many rows in it."""


def require_narrow(columns: int, rows: int) -> None:
    """Raise WideError where so many columns of so many rows are too much for one batch."""
    if columns * (rows + _ROWS_OF_A_COLUMN) > MAX_CELLS:
        raise WideError(columns)


@dataclass(frozen=True, slots=True)
class _Part:
    """An Origin (``etl/source/text/format.py``)."""

    file: str
    offset: int
    first_record: int | None


def parse_in_parts(
    format: TextFormat,
    data: bytes,
    projection: Projection,
    origin: Origin,
    *,
    max_record: int = MAX_RECORD_BYTES,
) -> Iterator[Batch]:
    """Parse whole records into one batch, or into several where one would be too wide.

    A record of more than ``max_record`` bytes, with its line break, becomes a reject.
    """
    waiting = [(data, _Part(origin.file, origin.offset, origin.first_record))]
    while waiting:
        data, part = waiting.pop()
        if len(data) > max_record and (halves := _halves(format, data, part)) is not None:
            waiting += reversed(halves)
            continue
        if len(data) > max_record and (refusal := _too_long(format, data, part, max_record)) is not None:
            yield refusal
            continue
        try:
            batch = format.parse(data, projection, part)
        except WideError as error:
            halves = _halves(format, data, part)
            if halves is None:
                yield _refusal(format, data, part, error)
            else:
                waiting += reversed(halves)
        else:
            yield batch


def _too_long(format: TextFormat, data: bytes, part: _Part, max_record: int) -> Batch | None:
    try:
        (found,) = format.originals(data, [0], part)
    except IndexError:
        return None  # nothing but blank lines
    return long_record(replace(found, file=part.file), nbytes=len(data), max_record=max_record, whole=True)


def _halves(format: TextFormat, data: bytes, part: _Part) -> list[tuple[bytes, _Part]] | None:
    """Cut data in two between records, near its middle; None where it is one record."""
    nominal = len(data) // 2
    while True:
        length, records = format.scan(data[:nominal], final=False)
        if length:
            first_record = None if part.first_record is None else part.first_record + records
            rest = replace(part, offset=part.offset + length, first_record=first_record)
            return [(data[:length], part), (data[length:], rest)]
        if nominal >= len(data) - 1:
            return None
        nominal = min(nominal + nominal // 2 + 1, len(data) - 1)


def _refusal(format: TextFormat, data: bytes, part: _Part, error: WideError) -> Batch:
    reason = f"it has {format_count(error.columns)} fields, too many for one record"
    reject = replace(format.originals(data, [0], part)[0], reason=reason)
    numbers = None if part.first_record is None else pa.array([], pa.int64())
    return Batch(pa.RecordBatch.from_arrays([], names=[]), numbers=numbers, rejects=(reject,), rows=0)
