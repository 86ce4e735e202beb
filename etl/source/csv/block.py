"""One block of CSV into a batch, by Arrow's parser.

It reads whole records by the same rules as ``quotes.py`` does, irregular quotes and lone ``\\r`` among them.
What it does not do is told apart here: it refuses a block that holds a record with too many or too few
fields, and takes a quote that is never closed as closed at the end. A block in which either happens is
walked, which is slower, to part the good records from the bad ones, and the good ones are parsed again.

NOTE(sentinel): a record of our own is put behind the block's. It comes out as the last one, unless a quote
was open: then it is part of the field. A blank line in front keeps Arrow from taking a field that begins
with the bytes of a BOM for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from etl.plan import Batch, Projection, Reject, require_own_names
from etl.source.csv.quotes import Dialect, Span, split_records, walk
from etl.source.text.arrow_csv import one_array, read_table
from etl.source.text.format import Origin
from etl.source.text.numbering import number_column, record_number
from etl.source.value.json_objects import not_text, object_texts
from etl.units import counted


def parse_block(
    data: bytes, dialect: Dialect, names: Sequence[str], projection: Projection, origin: Origin
) -> Batch:
    """Parse whole records whose fields are ``names``. See ``TextFormat.parse``.

    Raises SourceError where a renaming gives two of the fields that are wanted one name.
    """
    parser = _Parser(dialect, tuple(names), omit_empty=projection.omit_empty)
    wanted = [name for name in names if projection.wants(name)]
    new_names = [projection.new_name(name) for name in wanted]
    require_own_names(new_names, origin.file)
    spread = [name for name in wanted if projection.spreads(name)]
    spans: list[Span] = []
    faults: dict[int, str] = {}
    kept = _Kept(data)
    columns = parser.read(data, wanted)
    if columns is None:
        spans = list(walk(data, dialect))
        faults = _malformed(spans, len(names))
        kept = _without(data, spans, faults)
        columns = parser.read(kept.data, wanted)
    assert columns is not None, "records were parted that Arrow does not take"
    if projection.json and (no_text := _not_text(columns, spread)):
        spans = spans or list(walk(data, dialect))
        faults |= {kept.index(row): reason for row, reason in no_text.items()}
        kept = _without(data, spans, faults)
        columns = columns.without(no_text)
    numbers = number_column(origin.first_record, columns.rows + len(faults))
    if numbers is not None and kept.indices is not None:
        numbers = numbers.take(kept.indices)
    new_spread = [projection.new_name(name) for name in spread]
    json = None
    if projection.json:
        json = object_texts(new_spread, [columns.arrays[name] for name in spread], columns.rows)
    return Batch(
        fields=pa.RecordBatch.from_arrays([columns.arrays[name] for name in wanted], names=new_names),
        spread=tuple(new_spread),
        numbers=numbers,
        line=split_records(kept.data, dialect) if projection.line else None,
        json=json,
        rejects=tuple(
            reject(data, spans[index], index, origin, reason=faults[index]) for index in sorted(faults)
        ),
        rows=-1 if wanted else columns.rows,
    )


def reject(data: bytes, span: Span, index: int, origin: Origin, *, reason: str) -> Reject:
    """Make the Reject of a block's record number ``index``."""
    raw = data[span.start : span.stop]
    return Reject(origin.file, record_number(origin, index), origin.offset + span.start, reason, raw)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Records of a block that are not refused: their text, and their ``indices`` (None: they are all)."""

    data: bytes
    indices: pa.Array | None = None

    def index(self, row: int) -> int:
        return row if self.indices is None else int(self.indices[row].as_py())


@dataclass(frozen=True, slots=True)
class _Columns:
    arrays: Mapping[str, pa.Array]
    rows: int

    def without(self, rows: Mapping[int, str]) -> _Columns:
        others = pa.array([row for row in range(self.rows) if row not in rows], pa.int64())
        return _Columns({name: array.take(others) for name, array in self.arrays.items()}, len(others))


@dataclass(frozen=True, slots=True)
class _Parser:
    dialect: Dialect
    names: tuple[str, ...]
    omit_empty: bool

    def read(self, data: bytes, wanted: Sequence[str]) -> _Columns | None:
        """Parse records; None: some are malformed."""
        if not self.names:
            return _Columns({}, 0)
        quoted = bool(self.dialect.quote) and self.dialect.quote in data
        last = self.names[-1]
        read = list(wanted)
        if last not in read and (quoted or not read):
            read.append(last)  # NOTE(sentinel): nothing but this field tells
        mark = next(
            byte for byte in (b"x", b"y", b"z") if byte not in (self.dialect.delimiter, self.dialect.quote)
        )
        text = b"".join((b"\n", data, b"\n", self.dialect.delimiter * (len(self.names) - 1), mark))
        try:
            table = self._table(text, read, newlines=quoted)
        except pa.ArrowInvalid:
            return None
        rows = table.num_rows - 1
        if quoted and table[last][rows].as_py() != mark:
            return None
        return _Columns({name: one_array(table[name]).slice(0, rows) for name in wanted}, rows)

    def _table(self, text: bytes, read: Sequence[str], *, newlines: bool) -> pa.Table:
        options = pyarrow.csv.ParseOptions(
            delimiter=self.dialect.delimiter.decode(),
            quote_char=self.dialect.quote.decode() or False,
            newlines_in_values=newlines,  # slower
        )
        return read_table(text, self.names, options, read=read, empty_is_null=self.omit_empty)


def _malformed(spans: Sequence[Span], fields: int) -> dict[int, str]:
    """Find the records that cannot be parsed, and why."""
    faults = {}
    for index, span in enumerate(spans):
        if not span.closed:
            faults[index] = "a quote is opened and never closed"
        elif span.fields != fields:
            faults[index] = f"it has {counted(span.fields, 'field')} instead of {fields:,}"
    return faults


def _without(data: bytes, spans: Sequence[Span], faults: Mapping[int, str]) -> _Kept:
    indices = [index for index in range(len(spans)) if index not in faults]
    texts = [data[spans[index].start : spans[index].stop] for index in indices]
    return _Kept(b"\n".join(texts), pa.array(indices, pa.int64()))


def _not_text(columns: _Columns, names: Sequence[str]) -> dict[int, str]:
    return {
        row: f"the field {name!r} is not UTF-8, which JSON has to be"
        for name in names
        for row in not_text(columns.arrays[name])
    }
