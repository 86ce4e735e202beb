"""Lines: a record is a line without its terminator (``\\n`` or ``\\r\\n``); its bytes stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Block
from etl.source.files import File, OpenFile, restat
from etl.source.ranges import cut
from etl.template import NUMBER

LINE = "line"
_BINARY = pa.binary()


@dataclass(frozen=True, slots=True)
class LinesSource:
    """Files of lines, one after the other. ``strip`` takes white space off both ends, as ``str.strip``."""

    files: tuple[File, ...]
    strip: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (LINE,)

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self.files)

    def blocks(self, block_bytes: int, *, numbered: bool) -> Iterator[Block]:
        return cut(self.files, block_bytes, numbered=numbered)

    def open(self) -> LinesReader:
        return LinesReader(self)

    def verify_unchanged(self) -> None:
        for file in self.files:
            restat(file)

    def name_of(self, block: Block) -> str:
        return self.files[block.file].path


class LinesReader:
    """Reads blocks of lines; keeps the file of the last block open."""

    def __init__(self, source: LinesSource) -> None:
        self._source = source
        self._opened: OpenFile | None = None

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        lines = split_lines(self._file(block).read(block.start, block.stop))
        if self._source.strip:
            lines = strip(lines)
        columns = {LINE: lines}
        if block.first_record is not None:
            columns[NUMBER] = pa.arange(block.first_record, block.first_record + len(lines))
        yield pa.RecordBatch.from_pydict(columns)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _file(self, block: Block) -> OpenFile:
        file = self._source.files[block.file]
        if self._opened is None or self._opened.file != file:
            self.close()
            self._opened = OpenFile(file)
        return self._opened


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
