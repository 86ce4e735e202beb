"""Records longer than ``--max-record``: never in memory as a whole, and rejects where reading can go on.

NOTE(long): a text is looked at in windows of at most ``max_record`` bytes. Where not one record ends in such
a window, the record is too long; a format that knows its records' ends by a line break goes on to the next
one, window by window, and the record is a block of its own, of which only the beginning is kept. A format, or
a record, whose end only the whole of it would tell (an element of a JSON array, an open quote) ends the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from etl.errors import SourceError
from etl.plan import NO_FIELDS, Batch, Reject
from etl.source.text.format import BrokenTextError, TextFormat
from etl.units import KIB, format_bytes

KEPT_BYTES = 64 * KIB
"""Of a record that is too long, what its reject holds."""


def end_of_long(
    format: TextFormat,
    head: bytes,
    next_piece: Callable[[], bytes],
    *,
    file: str,
    start: int,
    max_record: int,
) -> tuple[int, bytes]:
    """Return the length of a record at byte ``start``, with its line break, and what was read behind it.

    It is longer than ``head``, all of which was looked at; ``next_piece`` gives what follows, and nothing at
    the end. Raises SourceError where the end of the record cannot be told.
    """
    length, data, first = 0, head, True
    try:
        while data:
            end = format.end_of_long(data, first=first)
            if end:
                return length + end, data[end:]
            length += len(data)
            data, first = next_piece(), False
    except BrokenTextError as error:
        raise SourceError(
            f"{file}: the record at byte {start:,} is longer than {format_bytes(max_record)} (--max-record),"
            f" and where it ends cannot be told: {error.reason}. Mend the file there, or give a larger"
            " --max-record (at most 512MB)"
        ) from None
    return length, b""


def long_record(found: Reject, *, nbytes: int, max_record: int, whole: bool = False) -> Batch:
    """Return the batch of one record that is refused because it is too long.

    ``found`` is where it stands, and its beginning, or, if ``whole``, all of it without its line break;
    ``nbytes`` is what it takes with it.
    """
    reason = f"it takes {nbytes:,} bytes, more than --max-record allows ({format_bytes(max_record)})"
    kept = found.raw[:KEPT_BYTES]
    if len(kept) == nbytes and kept.endswith(b"\n"):
        kept = kept[:-1].removesuffix(b"\r")
    elif len(kept) < (len(found.raw) if whole else nbytes):
        reason += f"; the first {len(kept):,} bytes are kept here"
    numbers = None if found.record is None else pa.array([], pa.int64())
    return Batch(NO_FIELDS, numbers=numbers, rejects=(replace(found, reason=reason, raw=kept),), rows=0)
