"""Where the records of CSV text end (RFC 4180), although quoted fields may hold line breaks.

NOTE(parity): a field that starts with a quote lasts up to the next quote that is not doubled. So a byte with
an even number of quotes before it stands outside of quotes, and the line breaks there end records. Counting
is exact where every quote that comes out as an opening one stands where RFC 4180 lets it stand: behind a
delimiter, a line break or the start, or behind another quote (the two are one, inside a field). That is
checked in the same pass, and that every ``\\r`` outside of quotes belongs to a ``\\r\\n``. (Closing quotes
need no check: what follows one up to the delimiter is outside either way, and a further quote in it counts
as an opening one and is found out.) Text that breaks the rules (``5" pipe,...``) is walked instead, record
by record, by the rules of Python's ``csv.reader``, which Arrow's parser shares: a quote that does not start a
field is a character like any other, text behind a closing quote is part of the field, a ``\\r`` ends a
record. Both ways find the same records in regular text, and a reader of CSV is at rest between two records:
so where one block is irregular, the others are as exact and as fast as ever.

A blank line is no record, as for ``csv.DictReader``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.source.text.lines import split_lines
from etl.units import MIB

_WINDOW_BYTES = MIB  # bounds the memory of a pass over one huge record
_NEWLINE = b"\n"
_RETURN = b"\r"
_LINE_BREAKS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What separates fields and what quotes them: one byte each; an empty ``quote`` means no quoting."""

    delimiter: bytes
    quote: bytes


class Span(NamedTuple):
    """A record's place: ``start`` to ``stop`` without its terminator, its number of fields, and whether its
    last quote is closed.
    """

    start: int
    stop: int
    fields: int
    closed: bool


def scan_records(data: bytes, dialect: Dialect, *, final: bool) -> tuple[int, int]:
    """Return the bytes of ``data`` that are whole records, and their number: NOTE(scan) in
    ``source/text/format.py``.

    Blank lines alone are bytes without a record. A quote that is never closed is one record when ``final``.
    """
    done = _pass_over(data, dialect, final=final)
    return _scan_by_walking(data, dialect, final=final) if done is None else (done.length, done.records)


def walk(data: bytes, dialect: Dialect) -> Iterator[Span]:
    """Yield the records of any text, regular or not, one by one; slower than ``scan_records``."""
    delimiter, quote = dialect.delimiter, dialect.quote
    quotes = re.compile(b"(?:" + re.escape(quote) + b")+")
    size = len(data)
    newline = return_ = opening = -1  # the next ones
    position = 0
    while position < size:
        if data[position] in _LINE_BREAKS:
            position += 1
            continue
        start = position
        fields = 1
        quoted = bool(quote) and data.startswith(quote, start)
        while True:
            if quoted:
                position = _behind_closing_quote(data, position + 1, quote, quotes)
                if position < 0:
                    yield Span(start, size, fields, closed=False)
                    return
            if newline < position:
                newline = _find(data, _NEWLINE, position)
            if return_ < position:
                return_ = _find(data, _RETURN, position)
            if opening < position:
                opening = _find(data, delimiter + quote, position) if quote else size
            stop = newline if newline < return_ else return_
            if opening >= stop:
                break
            fields += data.count(delimiter, position, opening) + 1
            position = opening + 1
            quoted = True
        yield Span(start, stop, fields + data.count(delimiter, position, stop), closed=True)
        position = stop


def split_records(data: bytes, dialect: Dialect) -> pa.Array:
    """Split whole records into their original texts, without terminators. Gives a ``binary`` array."""
    done = _pass_over(data, dialect, final=True)
    if done is None:
        return pa.array([data[span.start : span.stop] for span in walk(data, dialect)], pa.binary())
    texts = split_lines(data) if done.newlines == data.count(_NEWLINE) else _split_quoted(data, dialect)
    return texts.filter(pc.greater(pc.binary_length(texts), 0)) if len(texts) > done.records else texts


def _split_quoted(data: bytes, dialect: Dialect) -> pa.Array:
    """Split regular text in which quoted fields hold line breaks; gives blank lines too."""
    lines = pc.split_pattern(_as_one_value(data), _NEWLINE).values
    ends = pc.cumulative_sum(pc.add(pc.binary_length(lines), 1))
    quotes = pc.cumulative_sum(pc.count_substring(lines, dialect.quote))
    outside = pc.equal(pc.bit_wise_and(quotes, 1), 0)
    # Where a quote is never closed, the last line ends a record all the same.
    ends = pa.concat_arrays([ends.filter(outside), ends.slice(len(ends) - 1)])
    ends = pc.min_element_wise(ends, len(data))  # the last line has no terminator
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    buffers = [None, offsets.buffers()[1], pa.py_buffer(data)]
    texts = pa.Array.from_buffers(pa.string(), len(ends), buffers)  # ascii_rtrim takes no binary
    return pc.ascii_rtrim(texts, characters="\r\n").view(pa.binary())


def _find(data: bytes, byte: bytes, position: int) -> int:
    """Find the next ``byte``; where there is none, the end."""
    found = data.find(byte, position)
    return len(data) if found < 0 else found


def _behind_closing_quote(data: bytes, position: int, quote: bytes, quotes: re.Pattern[bytes]) -> int:
    while True:
        position = data.find(quote, position)
        if position < 0:
            return -1
        if not data.startswith(quote, position + 1):
            return position + 1
        run = quotes.match(data, position)
        assert run is not None
        position = run.end()
        if (position - run.start()) % 2:
            return position


def _scan_by_walking(data: bytes, dialect: Dialect, *, final: bool) -> tuple[int, int]:
    size = len(data)
    length = 0
    records = 0
    for span in walk(data, dialect):
        if final:
            records += 1
        elif span.stop < size and span.closed:
            length = span.stop + (2 if data.startswith(b"\r\n", span.stop) else 1)
            records += 1
    return (size if final else length), records


def _pass_over(data: bytes, dialect: Dialect, *, final: bool) -> _Pass | None:
    """Pass over the text; None: it is irregular."""
    size = len(data)
    if not final and data.endswith(_RETURN):
        size -= 1  # whether it is alone, the next byte tells
    step = _WINDOW_BYTES if dialect.quote and dialect.quote in data else max(size, 1)
    so_far = _Pass(dialect)
    start = 0
    while start < size:
        stop = min(start + step, size)
        if data.startswith(_RETURN, stop - 1) and stop < size:
            stop += 1  # keeps \r\n together
        if not so_far.take(data[start:stop], start):
            return None
        start = stop
    if final:
        so_far.end(len(data))
    return so_far


class _Pass:
    """One pass over a text, window by window.

    ``length`` is that of the whole records, ``records`` their number; ``newlines`` those outside of quotes.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._delimiter = dialect.delimiter
        self._quote = dialect.quote
        self.length = 0
        self.records = 0
        self.newlines = 0
        self._in_record = False  # the last line has begun and is not blank
        self._inside = False  # of quotes
        self._last = _NEWLINE  # byte before the window; a quote there is a closing one, unless inside

    def take(self, window: bytes, start: int) -> bool:
        """Take the window that begins at ``start``. False: the text is irregular."""
        quote = self._quote
        if not self._joins(window):
            return False
        parts = [window]
        outside = window
        if quote and (self._inside or quote in window):
            # An opening quote before the window stands in for the one that was seen before.
            parts = (quote + window if self._inside else window).split(quote)
            outside = quote.join(parts[::2])
            self._inside = len(parts) % 2 == 0
            if self._inside:
                outside += quote
        if not self._count(outside):
            return False
        if _NEWLINE in outside:
            self.length = start + len(window) - self._bytes_behind(parts, outside)
        self._in_record = not outside.endswith(_NEWLINE)
        self._last = window[-1:]
        return True

    def end(self, length: int) -> None:
        """Take what is left over as a record; there is no more than ``length``."""
        self.length = length
        self.records += 1 if self._in_record else 0

    def _joins(self, window: bytes) -> bool:
        if self._inside or not self._quote or not window.startswith(self._quote):
            return True
        return self._last in (self._delimiter, _NEWLINE, self._quote)

    def _count(self, outside: bytes) -> bool:
        """Count the records that end in ``outside``, the text without what is inside of quotes."""
        codes = pa.Array.from_buffers(pa.uint8(), len(outside), [None, pa.py_buffer(outside)])
        newlines = _places(codes, _NEWLINE)
        returns = None
        if _RETURN in outside:
            returns = _places(codes, _RETURN)
            if _followed(returns, newlines).true_count != returns.true_count:
                return False
        if self._quote and self._quote in outside and not self._quotes_fit(codes, newlines):
            return False
        blank = _followed(newlines, newlines).true_count
        if returns is not None:
            blank += _followed(_followed(newlines, returns), newlines.slice(1)).true_count
        if not self._in_record and outside.startswith((b"\n", b"\r\n")):
            blank += 1
        self.newlines += newlines.true_count
        self.records += newlines.true_count - blank
        return True

    def _quotes_fit(self, codes: pa.Array, newlines: pa.Array) -> bool:
        """Return True if all quotes of the text outside stand where they may: see NOTE(parity).

        What stands before the first byte is in another window: see ``_joins``.
        """
        quotes = _places(codes, self._quote)
        before = pc.or_(pc.or_(_places(codes, self._delimiter), newlines), quotes)
        good = _followed(before, quotes).true_count + quotes[0].as_py()
        return bool(good == quotes.true_count)

    def _bytes_behind(self, parts: list[bytes], outside: bytes) -> int:
        """Return the number of the window's bytes behind its last line break outside of quotes."""
        quotes = outside.count(self._quote, outside.rfind(_NEWLINE)) if len(parts) > 1 else 0
        index = (len(parts) - 1) // 2 - quotes + (1 if self._inside else 0)
        index *= 2
        part = parts[index]
        tail = parts[index + 1 :]
        return len(part) - part.rfind(_NEWLINE) - 1 + sum(map(len, tail)) + len(tail)


def _places(codes: pa.Array, byte: bytes) -> pa.Array:
    return pc.equal(codes, pa.scalar(byte[0], pa.uint8()))


def _followed(places: pa.Array, by: pa.Array) -> pa.Array:
    """Mark the places that are followed by one of ``by`` (as many, or one fewer)."""
    return pc.and_(places.slice(0, len(by) - 1), by.slice(1))


def _as_one_value(data: bytes) -> pa.Array:
    offsets = pa.array([0, len(data)], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(data)])
