"""Runs of rows in files, read range by range of their hashes: see NOTE(runs) in ``spill``.

They are read, not mapped: of a mapped file pages come along with each byte, and count as this process's
memory.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.key_hash import HASH, HASH_BITS

HEAD = Struct("=QQ")
_SORTED_BITS = 12  # Arrow sorts numbers of so few bits by counting
_UNSORTED_BITS = HASH_BITS - _SORTED_BITS
_OFFSET = pa.int32()


@dataclass(frozen=True, slots=True)
class Range:
    """Hashes from ``start`` up to (not including) ``stop``."""

    start: int
    stop: int


def ranges(count: int) -> list[Range]:
    """Cut all hashes into at least ``count`` ranges of one length, a power of two of them."""
    bits = (count - 1).bit_length()
    length = 1 << (HASH_BITS - bits)
    return [Range(number * length, (number + 1) * length) for number in range(1 << bits)]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of ``rows`` rows at ``offset`` of a file, with ``text`` bytes of text.

    ``heads`` are the first bits of its hashes, ascending and each once; rows with ``heads[i]`` are those from
    ``ends[i]`` up to ``ends[i + 1]``.
    """

    offset: int
    rows: int
    text: int
    heads: array[int]
    ends: array[int]

    def within(self, descriptor: int, schema: pa.Schema, wanted: Range) -> pa.RecordBatch:
        """Read the rows whose hash is in a range. Raises OSError."""
        first, last = wanted.start >> _UNSORTED_BITS, (wanted.stop - 1) >> _UNSORTED_BITS
        start, stop = self.ends[bisect_left(self.heads, first)], self.ends[bisect_right(self.heads, last)]
        rows = self._read(descriptor, schema, start, stop - start)
        if wanted.start == first << _UNSORTED_BITS and wanted.stop == (last + 1) << _UNSORTED_BITS:
            return rows
        inside = pc.less_equal(rows.column(0), pa.scalar(wanted.stop - 1, HASH))
        return rows.filter(pc.and_(inside, pc.greater_equal(rows.column(0), pa.scalar(wanted.start, HASH))))

    def _read(self, descriptor: int, schema: pa.Schema, start: int, count: int) -> pa.RecordBatch:
        columns, at = [], self.offset
        for type in schema.types if count else ():
            if type == pa.binary():
                columns.append(_texts(descriptor, at, at + 4 * (self.rows + 1), start, count))
                continue
            data = _pread(descriptor, count * type.byte_width, at + start * type.byte_width)
            columns.append(pa.Array.from_buffers(type, count, [None, pa.py_buffer(data)]))
            at += self.rows * type.byte_width
        return pa.RecordBatch.from_arrays(columns, schema=schema) if count else _nothing(schema)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of all workers, by the paths of their files."""

    schema: pa.Schema
    files: Sequence[tuple[str, Sequence[Run]]]

    @property
    def count(self) -> int:
        return sum(len(runs) for _, runs in self.files)

    @property
    def rows(self) -> int:
        return sum(run.rows for _, runs in self.files for run in runs)

    @property
    def nbytes(self) -> int:
        return sum(_run_bytes(self.schema, run.rows, run.text) for _, runs in self.files for run in runs)

    def within(self, wanted: Range) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each run whose hash is in a range, where there are any. Raises OSError."""
        for path, runs in self.files:
            with open(path, "rb", buffering=0) as file:
                for run in runs:
                    rows = run.within(file.fileno(), self.schema, wanted)
                    if len(rows):
                        yield rows


def read_runs(paths: Sequence[str], schema: pa.Schema) -> Runs:
    """Return the runs of files. Raises OSError."""
    return Runs(schema, [(path, _runs_in(path, schema)) for path in paths])


def heads_of(hashes: pa.Array) -> pa.Array:
    """Return the bits by which runs are sorted (uint16)."""
    return pc.shift_right(hashes, pa.scalar(_UNSORTED_BITS, HASH)).cast(pa.uint16())


def _runs_in(path: str, schema: pa.Schema) -> list[Run]:
    runs = []
    with open(path, "rb", buffering=0) as file:
        descriptor, at, end = file.fileno(), 0, os.path.getsize(path)
        while at < end:
            rows, text = HEAD.unpack(_pread(descriptor, HEAD.size, at))
            at += HEAD.size
            hashes = pa.Array.from_buffers(HASH, rows, [None, pa.py_buffer(_pread(descriptor, 8 * rows, at))])
            found = pc.run_end_encode(heads_of(hashes))
            # Not lists, whose numbers would take as much memory as the rows do.
            ends = array("q", [0, *found.run_ends.to_pylist()])
            runs.append(Run(at, rows, text, array("H", found.values.to_pylist()), ends))
            at += _run_bytes(schema, rows, text)
    return runs


def _run_bytes(schema: pa.Schema, rows: int, text: int) -> int:
    widths = (4 * (rows + 1) if type == pa.binary() else rows * type.byte_width for type in schema.types)
    return sum(widths) + text


def _texts(descriptor: int, offsets_at: int, text_at: int, start: int, count: int) -> pa.Array:
    """Read ``count`` texts of a run from the one numbered ``start`` on."""
    raw = _pread(descriptor, 4 * (count + 1), offsets_at + 4 * start)
    offsets = pa.Array.from_buffers(_OFFSET, count + 1, [None, pa.py_buffer(raw)])
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    data = _pread(descriptor, last - first, text_at + first)
    own = pc.subtract(offsets, pa.scalar(first, _OFFSET))
    return pa.Array.from_buffers(pa.binary(), count, [None, own.buffers()[1], pa.py_buffer(data)])


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _pread(descriptor: int, nbytes: int, offset: int) -> bytes:
    """Read so many bytes, all of them. Raises OSError."""
    data = os.pread(descriptor, nbytes, offset)
    while len(data) < nbytes:  # a system reads 2 GB at once at most
        more = os.pread(descriptor, nbytes - len(data), offset + len(data))
        if not more:
            raise OSError("a file is shorter than it was")
        data += more
    return data
