"""Text files cut into byte ranges that start and end at line breaks.

NOTE(ranges): a block starts where the one before it stopped and stops at the first line break at or behind
the next multiple of the block size, or at the end of the file; so the blocks of a file cover it, each once,
in order. Counted from the start of the file and not of the block, the cuts do not drift: a file of lines
shorter than a block has a block for every whole multiple, or one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etl.errors import RejectedError
from etl.plan import Block
from etl.source.files import File, OpenFile
from etl.units import KIB, MAX_RECORD_BYTES, MIB

_SCAN_BYTES = MIB
_FIRST_LOOK_BYTES = 4 * KIB


def cut(files: Sequence[File], block_bytes: int, *, numbered: bool) -> Iterator[Block]:
    """Cut files into blocks of about ``block_bytes`` at line breaks; a file never shares a block.

    ``numbered`` counts every file's lines (4 GB/s from the page cache); without it only the bytes around
    the cuts are read. Raises SourceError, and RejectedError for a line that no server would take.
    """
    number = 0
    first_record = 0
    for index, file in enumerate(files):
        if not file.size:
            continue
        opened = OpenFile(file)
        try:
            for start, stop, lines in _cut_file(opened, block_bytes, counting=numbered):
                yield Block(number, index, start, stop, first_record if numbered else None)
                number += 1
                first_record += lines
        finally:
            opened.close()


def _cut_file(opened: OpenFile, block_bytes: int, *, counting: bool) -> Iterator[tuple[int, int, int]]:
    size = opened.file.size
    start = 0
    while start < size:
        nominal = min((start // block_bytes + 1) * block_bytes, size)
        stop = _next_record(opened, nominal)
        if stop - start > MAX_RECORD_BYTES + block_bytes:
            raise RejectedError(
                f"{opened.file.path}: the line that ends at byte {stop:,} is over {MAX_RECORD_BYTES:,} bytes"
                " long, more than Redis takes for one value"
            )
        lines = _count_lines(opened, start, stop) if counting else 0
        yield start, stop, lines
        start = stop


def _next_record(opened: OpenFile, position: int) -> int:
    """Give the offset of the first record that starts at ``position`` or behind it."""
    size = opened.file.size
    scan = position - 1  # a break just before the position makes a record start there
    piece_bytes = _FIRST_LOOK_BYTES
    while scan < size:
        piece = opened.read(scan, min(scan + piece_bytes, size))
        found = piece.find(b"\n")
        if found >= 0:
            return scan + found + 1
        scan += len(piece)
        piece_bytes = _SCAN_BYTES
    return size


def _count_lines(opened: OpenFile, start: int, stop: int) -> int:
    lines = 0
    for position in range(start, stop, _SCAN_BYTES):
        piece = opened.read(position, min(position + _SCAN_BYTES, stop))
        lines += piece.count(b"\n")
    return lines if piece.endswith(b"\n") else lines + 1
