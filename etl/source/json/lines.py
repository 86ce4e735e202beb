"""JSON lines: a record is a line that is one JSON object; blank lines are passed over and not counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import SourceError
from etl.plan import Batch, Projection, Reject
from etl.source.json.columns import Parsed, make_batch, wants_raws
from etl.source.json.decode import decode_each, decode_lines
from etl.source.json.flat import parse_flat
from etl.source.json.literals import WHITE, Literals, byte_order_mark
from etl.source.json.renaming import without_shared_names
from etl.source.text.format import Origin, chosen
from etl.source.text.numbering import record_number

_NEWLINE = pa.scalar(ord("\n"), pa.uint8())
_BRACE = pa.scalar(ord("{"), pa.uint8())
_OF_OBJECTS = re.compile(rb"\[\s*\{")
_BLANK = re.compile(rb"\n[ \t\r]*(?=\n)")


@dataclass(frozen=True, slots=True)
class Jsonl:
    """The format ``jsonl``. A line ends with ``\\n`` or ``\\r\\n``, which is no part of the record."""

    @property
    def fields(self) -> None:
        return None

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[Jsonl, int] | None:
        mark = byte_order_mark(head, final=final, file=file)
        if mark is None:
            return None
        text = head[mark:].lstrip(WHITE)
        if _is_one_array(text):
            raise SourceError(f"{file} begins with [: a JSON array is read with --format json")
        return self, mark

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        length = len(data) if final else data.rfind(b"\n") + 1
        return length, _count(data[:length])

    def end_of_long(self, data: bytes, *, first: bool) -> int:
        return data.find(b"\n") + 1

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        flat = parse_flat(data, projection, origin)
        return parse_any(data, projection, origin) if flat is None else flat

    def originals(self, data: bytes, indices: Sequence[int], origin: Origin) -> list[Reject]:
        return [
            Reject(origin.file, record_number(origin, index), origin.offset + start, "", raw)
            for index, (start, raw) in chosen(_spans(data), indices)
        ]


def parse_any(data: bytes, projection: Projection, origin: Origin) -> Batch:
    """Parse lines by ``json``, whatever they are. See ``TextFormat.parse``."""
    literals = Literals.of(data)
    records = decode_lines(data, literals)
    if records is None:
        parsed = decode_each(_spans(data), literals)
    else:
        raws = [raw for _, raw in _spans(data)] if wants_raws(projection) else None
        parsed = Parsed(literals, records, raws)
    parsed = without_shared_names(parsed, projection, lambda: _spans(data))
    return make_batch(parsed, projection, origin)


def _is_one_array(text: bytes) -> bool:
    """Return True if text is an array of objects that goes on behind its first line, or is all there is.

    An array that ends with its line is a bad record of its own, as long as other lines follow.
    """
    if not _OF_OBJECTS.match(text):
        return False
    line, _, rest = text.partition(b"\n")
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not rest.strip(WHITE)


def _count(data: bytes) -> int:
    """Count the lines that are not blank."""
    if not data:
        return 0
    if data.startswith(b"{"):
        # Three times as fast as looking for blank lines, and nearly always enough.
        codes = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
        breaks = pc.equal(codes.slice(0, len(data) - 1), _NEWLINE)
        braces = pc.equal(codes.slice(1), _BRACE)
        lines = breaks.true_count + 1
        if pc.and_(breaks, braces).true_count == lines - 1:
            return int(lines)
    # Every line between two line breaks.
    text = b"\n" + data if data.endswith(b"\n") else b"\n" + data + b"\n"
    return text.count(b"\n") - 1 - sum(1 for _ in _BLANK.finditer(text))


def _spans(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return each record's first byte and its bytes, blank lines left out."""
    start = 0
    for line in data.split(b"\n"):
        if line.strip(WHITE):
            yield start, line.removesuffix(b"\r")
        start += len(line) + 1
