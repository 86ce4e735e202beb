"""CSV, TSV and the like (RFC 4180): fields between delimiters, quoted where need be; values stay text.

Where records end, and what irregular quotes mean, stands in ``source/csv/quotes.py``; how a block is parsed,
in ``source/csv/block.py``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl.errors import SourceError, UsageError
from etl.options import SourceOptions
from etl.plan import Batch, Projection, Reject
from etl.source.csv.block import parse_block, reject
from etl.source.csv.quotes import Dialect, Span, scan_records, walk
from etl.source.text.format import BrokenTextError, Origin, chosen
from etl.units import MIB, format_bytes

_BOM = b"\xef\xbb\xbf"
_UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_MAX_HEADER_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class Csv:
    """The formats ``csv`` and ``tsv``.

    ``delimiter`` and ``quote`` are one ASCII character each (an empty ``quote``: no quoting). ``names`` are
    those of the fields where the file does not have them in its first record; without ``names`` and
    ``header`` the fields are named ``1``, ``2``, ... Raises UsageError for what cannot be.
    """

    delimiter: str = ","
    quote: str = '"'
    names: tuple[str, ...] | None = None
    header: bool = True

    def __post_init__(self) -> None:
        _require_character(self.delimiter, "--delimiter")
        if self.quote:
            _require_character(self.quote, "--quote")
        if self.quote == self.delimiter:
            raise UsageError(f"--delimiter and --quote are the same character, {self.quote!r}")
        if self.names is not None and (wrong := _wrong_names(self.names)):
            raise UsageError(f"--fields: {wrong}")

    @property
    def fields(self) -> tuple[str, ...] | None:
        return self.names

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[Csv, int] | None:
        if head.startswith(_UTF_16_BOMS):
            raise SourceError(f"{file} is UTF-16 text: convert it first (iconv -f UTF-16 -t UTF-8)")
        if len(head) < len(_BOM) and not final:
            return None
        start = len(_BOM) if head.startswith(_BOM) else 0
        if self.names is not None:
            return self, start
        text = head[start:]
        span = next(walk(text, self._dialect), None)
        if not final and (span is None or span.stop >= len(text) - 1):
            if len(head) <= _MAX_HEADER_BYTES:
                return None
            raise SourceError(
                f"{file}: the first record has no end in {format_bytes(len(head))}:"
                " is a quote never closed, or is it not CSV?"
            )
        if span is None:
            return replace(self, names=()), len(head)
        if not self.header:
            return replace(self, names=tuple(str(number + 1) for number in range(span.fields))), start
        names = self._header(text, span, file)
        terminator = 2 if text.startswith(b"\r\n", span.stop) else 1
        return replace(self, names=names), min(start + span.stop + terminator, len(head))

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        return scan_records(data, self._dialect, final=final)

    def end_of_long(self, data: bytes, *, first: bool) -> int:
        dialect = self._dialect
        if first:
            span = next(walk(data, dialect), None)
            if span is not None and not span.closed:
                raise BrokenTextError("a quote is opened in it and not closed", 0)
            return 0
        end = _LINE_BREAK.search(data)
        rest = data if end is None else data[: end.start()]
        # What stood before the first byte is gone: a quote there may be an opening one.
        if dialect.quote and (rest.startswith(dialect.quote) or dialect.delimiter + dialect.quote in rest):
            raise BrokenTextError("a quote is opened in it, far from its beginning", 0)
        return 0 if end is None else end.end()

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        return parse_block(data, self._dialect, self.names or (), projection, origin)

    def originals(self, data: bytes, indices: Sequence[int], origin: Origin) -> list[Reject]:
        spans = chosen(walk(data, self._dialect), indices)
        return [reject(data, span, index, origin, reason="") for index, span in spans]

    @property
    def _dialect(self) -> Dialect:
        return Dialect(self.delimiter.encode(), self.quote.encode())

    def _header(self, text: bytes, span: Span, file: str) -> tuple[str, ...]:
        if not span.closed:
            raise SourceError(f"{file}: a quote in the header (the first record) is never closed")
        try:
            header = text[span.start : span.stop].decode()
            rows = csv.reader(
                [header],
                delimiter=self.delimiter,
                quotechar=self.quote or None,
                quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            )
            names = tuple(next(rows))
        except UnicodeDecodeError:
            wrong = "the names in it are not UTF-8"
        except csv.Error as error:
            wrong = str(error)
        else:
            wrong = _wrong_names(names)
            if not wrong:
                return names
        raise SourceError(
            f"{file} has no usable header: {wrong}."
            " Correct its first record, or name the fields with --fields and take that record out"
        )


def csv_of(options: SourceOptions, *, delimiter: str) -> Csv:
    """Return the format as options have it; ``delimiter`` where they have none. Raises UsageError."""
    return Csv(
        options.delimiter or delimiter,
        options.quote,
        options.fields,
        header=not options.no_header,
    )


def _require_character(text: str, option: str) -> None:
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise UsageError(f"{option} has to be one ASCII character (\\t for a tab), not {text!r}")


def _wrong_names(names: Sequence[str]) -> str:
    """Return what is wrong with the names of the fields; nothing: ''."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        return f"more than one field is named {', '.join(map(repr, repeated))}"
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return "a name is not UTF-8"
    return ""
