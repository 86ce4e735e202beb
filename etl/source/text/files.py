"""Local text files, cut into byte ranges that many processes read at once.

NOTE(ranges): a block starts where the one before it stopped and stops at the last record's end within its
nominal size (a longer record makes a longer block; of one that is too long, see NOTE(long)); so the blocks of
a file cover it behind its beginning, each byte once, in order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.storage.kinds import require_text
from etl.source.storage.local import File, OpenFile, fingerprint, restat
from etl.source.text import long_records
from etl.source.text.format import TextFormat, scan_at
from etl.source.text.lines import Lines
from etl.source.text.long_records import end_of_long, long_record
from etl.source.text.wide import parse_in_parts
from etl.units import DEFAULT_RECORD_BYTES, KIB, MIB

_HEAD_BYTES = 64 * KIB
_PIECE_BYTES = MIB  # of a record that is too long, looked at together


@dataclass(frozen=True, slots=True)
class Place:
    """An Origin (``etl/source/text/format.py``)."""

    file: str
    offset: int
    first_record: int | None


@dataclass(frozen=True, slots=True)
class TextFiles:
    """Text files one after the other. ``formats`` has each file's own format, headers read; see ``find``."""

    files: tuple[File, ...]
    formats: tuple[TextFormat, ...]
    begins: tuple[int, ...]
    max_record: int = DEFAULT_RECORD_BYTES

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
                for start, stop, records, long_bytes in self._cut(opened, index, block_bytes):
                    yield Block(
                        number, index, start, stop, first_record, records=records, long_bytes=long_bytes
                    )
                    number += 1
                    first_record += records
            finally:
                opened.close()

    def _cut(
        self, opened: OpenFile, index: int, block_bytes: int
    ) -> Iterator[tuple[int, int, int, int | None]]:
        format = self.formats[index]
        size = opened.file.size
        start = self.begins[index]
        nominal = block_bytes
        while start < size:
            stop = min(start + nominal, size)
            data = opened.read(start, stop)
            length, records = scan_at(format, data, final=stop == size, file=opened.file.path, start=start)
            if length:
                yield start, start + length, records, None
                start += length
                nominal = block_bytes
            elif stop - start >= self.max_record:
                length = self._length_of_long(opened, format, start, data)
                yield start, start + length, 1, length
                start += length
                nominal = block_bytes
            else:
                nominal = min(2 * nominal, self.max_record)

    def _length_of_long(self, opened: OpenFile, format: TextFormat, start: int, data: bytes) -> int:
        file = opened.file
        position = start + len(data)

        def next_piece() -> bytes:
            nonlocal position
            piece = opened.read(position, min(position + _PIECE_BYTES, file.size))
            position += len(piece)
            return piece

        return end_of_long(format, data, next_piece, file=file.path, start=start, max_record=self.max_record)[
            0
        ]

    def open(self, projection: Projection) -> TextFilesReader:
        return TextFilesReader(self, projection)

    def verify_unchanged(self) -> None:
        for file in self.files:
            restat(file)

    def name_of(self, block: Block) -> str:
        return self.files[block.file].path


def all_fields(formats: Iterable[TextFormat]) -> tuple[str, ...] | None:
    """Return the names of every file's fields, each once; None where one file's records tell its own."""
    names: dict[str, None] = {}
    for format in formats:
        if format.fields is None:
            return None
        names.update(dict.fromkeys(format.fields))
    return tuple(names)


def open_text_files(
    files: tuple[File, ...],
    format: TextFormat,
    *,
    sniff: bool = False,
    max_record: int = DEFAULT_RECORD_BYTES,
) -> TextFiles:
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
                if begun is None and len(head) > max_record:
                    raise endless_beginning(file.path, len(head))
                head_bytes *= 2
        finally:
            opened.close()
        formats.append(begun[0])
        begins.append(begun[1])
    return TextFiles(files, tuple(formats), tuple(begins), max_record)


def endless_beginning(file: str, nbytes: int) -> SourceError:
    """Make the error for a file whose header, or whatever it begins with, is longer than a record may be."""
    return SourceError(f"the beginning of {file} has no end in {nbytes:,} bytes: is it of this format?")


class TextFilesReader:
    """Reads blocks of text files; keeps the file of the last block open."""

    def __init__(self, source: TextFiles, projection: Projection) -> None:
        self._source = source
        self._projection = projection
        self._opened: OpenFile | None = None

    def read(self, block: Block) -> Iterator[Batch]:
        place, max_record = self._place(block), self._source.max_record
        if block.long_bytes is not None:
            raw = self._opened_for(block).read(
                block.start, block.start + min(block.long_bytes, long_records.KEPT_BYTES)
            )
            found = Reject(place.file, place.first_record, place.offset, "", raw)
            yield long_record(found, nbytes=block.long_bytes, max_record=max_record)
            return
        data = self._data(block)
        yield from parse_in_parts(self._format(block), data, self._projection, place, max_record=max_record)

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
        return self._opened_for(block).read(block.start, block.stop)

    def _opened_for(self, block: Block) -> OpenFile:
        file = self._source.files[block.file]
        if self._opened is None or self._opened.file != file:
            self.close()
            self._opened = OpenFile(file)
        return self._opened
