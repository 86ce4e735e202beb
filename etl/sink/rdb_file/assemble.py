"""The ranges of files become RDB files: header in front, padding in the gaps, end and checksum after them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.encode.rdb.file import END, crc_of, header, trailer
from etl.encode.rdb.parts import Part, read_part
from etl.sink.rdb_file.container import Container, container_of
from etl.sink.rdb_file.paths import Paths, sync_folder
from etl.sink.rdb_file.ranges import Range, joined, lay_out
from etl.units import MIB

_CHUNK_BYTES = 4 * MIB


@dataclass(frozen=True, slots=True)
class FileHead:
    """What the header of a file says besides numbers, which its length does not depend on."""

    version: int
    aux: Mapping[bytes, bytes]

    def data(self, keys: int, expires: int) -> bytes:
        """Return the header of a file with so many keys, of which so many expire."""
        return header(self.version, self.aux, keys=keys, expires=expires)

    def room(self, file: str) -> int:
        """Return the bytes that it takes in a file."""
        return len(container_of(file).stored(self.data(0, 0)))


def assemble(paths: Paths, ranges: Sequence[Range], head: FileHead) -> None:
    """Make RDB files of ranges, and give them their names, the first one last.

    Raises OSError, and ValueError for ranges that lie in one another.
    """
    for number, file in enumerate(paths.files):
        _make_whole(file, paths.partials[number], [one for one in ranges if one.file == number], head)
    for file, partial in reversed(list(zip(paths.files, paths.partials, strict=True))):
        os.replace(partial, file)
    os.unlink(paths.journal)
    for folder in {os.path.dirname(file) for file in paths.files}:
        sync_folder(folder)


def _make_whole(file: str, partial: str, ranges: Sequence[Range], head: FileHead) -> None:
    container = container_of(file)
    layout = lay_out(ranges, head.room(file))
    data = head.data(layout.keys, layout.expires)
    parts = [(found.offset, found.crc, found.plain_bytes) for found in layout.ranges]
    with open(partial, "r+b", buffering=0) as opened:
        descriptor = opened.fileno()
        for offset, nbytes in layout.gaps:
            parts += _padded(descriptor, offset, nbytes, container)
        crc = joined([(crc_of(data), len(data)), *((crc, nbytes) for _, crc, nbytes in sorted(parts))])
        end = container.stored(END + trailer(crc_of(END, crc)))
        os.pwrite(descriptor, container.stored(data), 0)
        os.pwrite(descriptor, end, layout.end)
        opened.truncate(layout.end + len(end))
        os.fsync(descriptor)


def _padded(descriptor: int, offset: int, nbytes: int, container: Container) -> list[tuple[int, int, int]]:
    """Fill a gap; return the parts that it is now: offset, and CRC and bytes of the RDB file."""
    parts = []
    while nbytes:
        size = nbytes if nbytes <= _CHUNK_BYTES else min(_CHUNK_BYTES, nbytes - container.min_gap)
        fill, data = container.filled(size)
        os.pwrite(descriptor, fill, offset)
        parts.append((offset, crc_of(data), len(data)))
        offset += size
        nbytes -= size
    return parts


def read_parts(paths: Paths, ranges: Iterable[Range]) -> Iterator[Part]:
    """Yield the parts that ranges begin with, in the order of their first records. Raises OSError."""
    for found in sorted((found for found in ranges if found.part >= 0), key=lambda found: found.part):
        part = read_part(_plain(paths, found))
        assert part is not None
        yield part


def _plain(paths: Paths, found: Range) -> bytes:
    with open(paths.partials[found.file], "rb", buffering=0) as file:
        written = os.pread(file.fileno(), found.nbytes, found.offset)
    return container_of(paths.files[found.file]).unpacked(written)


def damaged(paths: Paths, ranges: Sequence[Range]) -> bool:
    """Return True if the files do not hold what was written into their ranges. Raises OSError."""
    return any(_is_damaged(paths, found) for found in ranges)


def _is_damaged(paths: Paths, found: Range) -> bool:
    try:
        return crc_of(_plain(paths, found)) != found.crc
    except ValueError:
        return True
