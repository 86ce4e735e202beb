"""Local text files, cut into byte ranges that many processes read at once.

NOTE(ranges): a block starts where the one before it stopped and stops at the last record's end within its
nominal size (a longer record makes a longer block); so the blocks of a file cover it behind its beginning,
each byte once, in order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etl.errors import RejectedError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.files import File, OpenFile, fingerprint, restat
from etl.source.kinds import require_text
from etl.source.lines import Lines
from etl.source.text import TextFormat, scan_at
from etl.source.wide import parse_in_parts
from etl.units import KIB, MAX_RECORD_BYTES

_HEAD_BYTES = 64 * KIB


@dataclass(frozen=True, slots=True)
class Place:
    """An Origin (``etl/source/text.py``)."""

    file: str
    offset: int
    first_record: int | None


@dataclass(frozen=True, slots=True)
class TextFiles:
    """Text files one after the other. ``formats`` has each file's own format, headers read; see ``find``."""

    files: tuple[File, ...]
    formats: tuple[TextFormat, ...]
    begins: tuple[int, ...]

    streamed = False

    @property
    def fields(self) -> tuple[str, ...] | None:
        return all_fields(self.formats)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(os.path.realpath(file.path) for file in self.files)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.files)

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self.files)

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        # Every format finds record ends by reading all of the data, and counts in the same pass.
        number = 0
        first_record = 0
        for index, file in enumerate(self.files):
            opened = OpenFile(file)
            try:
                for start, stop, records in self._cut(opened, index, block_bytes):
                    yield Block(number, index, start, stop, first_record, records=records)
                    number += 1
                    first_record += records
            finally:
                opened.close()

    def _cut(self, opened: OpenFile, index: int, block_bytes: int) -> Iterator[tuple[int, int, int]]:
        format = self.formats[index]
        size = opened.file.size
        start = self.begins[index]
        nominal = block_bytes
        while start < size:
            stop = min(start + nominal, size)
            data = opened.read(start, stop)
            length, records = scan_at(format, data, final=stop == size, file=opened.file.path, start=start)
            if length:
                yield start, start + length, records
                start += length
                nominal = block_bytes
            elif stop - start > MAX_RECORD_BYTES + block_bytes:
                raise RejectedError(
                    f"{opened.file.path}: the record at byte {start:,} is over {MAX_RECORD_BYTES:,} bytes"
                    " long, more than Redis takes for one value"
                )
            else:
                nominal = min(2 * nominal, MAX_RECORD_BYTES + block_bytes + 1)

    def open(self, projection: Projection) -> TextFilesReader:
        return TextFilesReader(self, projection)

    def verify_unchanged(self) -> None:
        for file in self.files:
            restat(file)

    def name_of(self, block: Block) -> str:
        return self.files[block.file].path


def all_fields(formats: Iterable[TextFormat]) -> tuple[str, ...] | None:
    """Give the names of every file's fields, each once; None where one file's records tell its own."""
    names: dict[str, None] = {}
    for format in formats:
        if format.fields is None:
            return None
        names.update(dict.fromkeys(format.fields))
    return tuple(names)


def open_text_files(files: tuple[File, ...], format: TextFormat, *, sniff: bool = False) -> TextFiles:
    """Look at each file's beginning and make the source. Raises SourceError. ``sniff``: see ``find_text``."""
    formats: list[TextFormat] = []
    begins: list[int] = []
    for file in files:
        opened = OpenFile(file)
        try:
            begun = None
            head_bytes = _HEAD_BYTES
            while begun is None:
                head = opened.read(0, min(head_bytes, file.size))
                if sniff:
                    require_text(head[:_HEAD_BYTES], file.path, lines=isinstance(format, Lines))
                begun = format.begin(head, final=len(head) == file.size, file=file.path)
                head_bytes *= 2
        finally:
            opened.close()
        formats.append(begun[0])
        begins.append(begun[1])
    return TextFiles(files, tuple(formats), tuple(begins))


class TextFilesReader:
    """Reads blocks of text files; keeps the file of the last block open."""

    def __init__(self, source: TextFiles, projection: Projection) -> None:
        self._source = source
        self._projection = projection
        self._opened: OpenFile | None = None

    def read(self, block: Block) -> Iterator[Batch]:
        format = self._format(block)
        yield from parse_in_parts(format, self._data(block), self._projection, self._place(block))

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        indices = [record - (block.first_record or 0) for record in records]
        return self._format(block).originals(self._data(block), indices, self._place(block))

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _format(self, block: Block) -> TextFormat:
        return self._source.formats[block.file]

    def _place(self, block: Block) -> Place:
        return Place(self._source.files[block.file].path, block.start, block.first_record)

    def _data(self, block: Block) -> bytes:
        file = self._source.files[block.file]
        if self._opened is None or self._opened.file != file:
            self.close()
            self._opened = OpenFile(file)
        return self._opened.read(block.start, block.stop)
