"""Lines: a record is a line without its terminator (``\\n`` or ``\\r\\n``); its bytes stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Batch, Projection, Reject
from etl.source.text.format import Origin, chosen
from etl.source.text.numbering import number_column, record_number
from etl.source.value.json_objects import not_text, object_texts
from etl.template import LINE

_BINARY = pa.binary()


@dataclass(frozen=True, slots=True)
class Lines:
    """The format ``lines``. ``strip`` takes white space off both ends of each, as ``str.strip`` does."""

    strip: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (LINE,)

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[Lines, int]:
        return self, 0

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        if final:
            return len(data), data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)
        length = data.rfind(b"\n") + 1
        return length, data.count(b"\n")

    def end_of_long(self, data: bytes, *, first: bool) -> int:
        return data.find(b"\n") + 1

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        lines = split_lines(data)
        if self.strip:
            lines = strip(lines)
        name = projection.new_name(LINE)
        spread = (name,) if projection.spreads(LINE) else ()
        numbers = number_column(origin.first_record, len(lines))
        rejects: list[Reject] = []
        if projection.json and (wrong := not_text(lines)):
            why = "it is not UTF-8, which JSON has to be"
            rejects = [replace(reject, reason=why) for reject in self.originals(data, wrong, origin)]
            good = pa.array(sorted({*range(len(lines))} - {*wrong}), pa.int64())
            lines, numbers = lines.take(good), None if numbers is None else numbers.take(good)
        return Batch(
            fields=pa.RecordBatch.from_arrays([lines], names=[name]),
            spread=spread,
            numbers=numbers,
            line=lines if projection.line else None,
            json=object_texts(spread, [lines] * len(spread), len(lines)) if projection.json else None,
            rejects=tuple(rejects),
        )

    def originals(self, data: bytes, indices: Sequence[int], origin: Origin) -> list[Reject]:
        return [
            Reject(origin.file, record_number(origin, index), origin.offset + start, "", raw)
            for index, (start, raw) in chosen(_spans(data), indices)
        ]


def _spans(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return each line's first byte and its bytes."""
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start)
        if stop < 0:  # a \r at the very end is no terminator
            yield start, data[start:]
            return
        yield start, data[start:stop].removesuffix(b"\r")
        start = stop + 1


def split_lines(data: bytes) -> pa.Array:
    """Split bytes into lines without their terminators; a last line needs none. Gives a ``binary`` array."""
    if b"\r\n" in data:
        # The terminator is one \r\n: of "a\r\r\n" the record keeps its first \r, and so it does here.
        data = data.replace(b"\r\n", b"\n")
    whole = pa.array([0, len(data)], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(_BINARY, 1, [None, whole, pa.py_buffer(data)])
    lines = pc.split_pattern(array, b"\n").values
    return lines[:-1] if data.endswith(b"\n") else lines


def strip(lines: pa.Array) -> pa.Array:
    """Take white space off both ends, as Python's ``str.strip`` does; bytes that are no UTF-8 are kept."""
    try:
        text = lines.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_strip_raw(line) for line in lines.to_pylist()], _BINARY)
    return pc.utf8_trim_whitespace(text).cast(_BINARY)


def _strip_raw(line: bytes) -> bytes:
    return line.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape")
