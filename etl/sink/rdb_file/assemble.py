"""A file's ranges become an RDB file: header in front, padding in the gaps, end and checksum after them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from etl.encode.rdb.file import END, MIN_PADDING_BYTES, crc_of, header, padding, trailer
from etl.sink.rdb_file.paths import Paths, sync_folder
from etl.sink.rdb_file.ranges import Range, joined, lay_out
from etl.units import MIB

_CHUNK_BYTES = 4 * MIB


def header_bytes(version: int, aux: Mapping[bytes, bytes]) -> int:
    """Return the size of a header, which does not depend on the number of keys."""
    return len(header(version, aux, keys=0, expires=0))


def assemble(
    paths: Paths, ranges: Sequence[Range], version: int, aux: Mapping[bytes, bytes], *, expire: bool
) -> None:
    """Make an RDB file of ranges, and give it its name. ``expire``: all keys have an expiry, else none has.

    Raises OSError, and ValueError for ranges that lie in one another.
    """
    layout = lay_out(ranges, header_bytes(version, aux))
    head = header(version, aux, keys=layout.keys, expires=layout.keys if expire else 0)
    parts = [(found.offset, found.crc, found.nbytes) for found in layout.ranges]
    with open(paths.partial, "r+b", buffering=0) as file:
        for offset, nbytes in layout.gaps:
            parts += _padded(file.fileno(), offset, nbytes)
        os.pwrite(file.fileno(), head, 0)
        parts.append((0, crc_of(head), len(head)))
        crc = joined([(crc, nbytes) for _, crc, nbytes in sorted(parts)])
        end = END + trailer(crc_of(END, crc))
        os.pwrite(file.fileno(), end, layout.end)
        file.truncate(layout.end + len(end))
        os.fsync(file.fileno())
    os.replace(paths.partial, paths.file)
    os.unlink(paths.journal)
    sync_folder(paths.file)


def damaged(paths: Paths, ranges: Sequence[Range]) -> bool:
    """Return True if the file does not hold what was written into its ranges. Raises OSError."""
    with open(paths.partial, "rb", buffering=0) as file:
        return any(_crc_at(file.fileno(), found) != found.crc for found in ranges)


def _crc_at(descriptor: int, found: Range) -> int:
    crc = 0
    for at in range(found.offset, found.end, _CHUNK_BYTES):
        crc = crc_of(os.pread(descriptor, min(_CHUNK_BYTES, found.end - at), at), crc)
    return crc


def _padded(descriptor: int, offset: int, nbytes: int) -> list[tuple[int, int, int]]:
    """Fill a gap; return the parts that it is now: offset, CRC, and bytes."""
    parts = []
    while nbytes:
        size = nbytes if nbytes <= _CHUNK_BYTES else min(_CHUNK_BYTES, nbytes - MIN_PADDING_BYTES)
        fill = padding(size)
        os.pwrite(descriptor, fill, offset)
        parts.append((offset, crc_of(fill), size))
        offset += size
        nbytes -= size
    return parts
