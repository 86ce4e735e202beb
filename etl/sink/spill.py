"""Batches that do not fit into memory, written by workers and read back range by range of their hashes.

NOTE(runs): a worker keeps batches until they take up their share of memory, sorts them by the first bits of
the hash, and writes them as one run: a batch of an Arrow stream. So what has a hash in some range is a slice
of each run, found by bisection in the mapped file; nothing else is read.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.key_hash import HASH, HASH_BITS
from etl.errors import TargetError
from etl.plan import Response, StopFlag, Wire
from etl.sink.local_target import LocalTarget

SUFFIX = ".spilled"
_SORTED_BITS = 12  # Arrow sorts numbers of so few bits by counting
_UNSORTED_BITS = HASH_BITS - _SORTED_BITS


@dataclass(frozen=True, slots=True)
class SpillTarget(LocalTarget):
    """A Target: files of batches of ``schema``, whose first column is ``hash``, in ``folder``.

    A wire is one serialized batch, ``run_bytes`` is about how much of them a session keeps in memory. The
    files' names begin with ``prefix``.
    """

    folder: str
    prefix: str
    schema: pa.Schema
    run_bytes: int

    @property
    def name(self) -> str:
        return self.folder

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> SpillSession:
        return SpillSession(self, os.path.join(self.folder, f"{self.prefix}-{client_name}{SUFFIX}"))

    def runs(self) -> Runs:
        """Return what all sessions have written. Raises TargetError."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.startswith(f"{self.prefix}-"))
            paths = [os.path.join(self.folder, name) for name in names]
            return Runs([run for path in paths for run in _runs_in(path)])
        except OSError as error:
            raise spill_error(self.folder, error) from None


class SpillSession:
    """A RenewableSession (``etl/plan/target.py``) that answers at once."""

    def __init__(self, target: SpillTarget, path: str) -> None:
        self._target = target
        self._path = path
        self._batches: list[pa.RecordBatch] = []
        self._nbytes = 0
        try:
            self._file = pa.OSFile(path, "wb")
            self._writer = pa.ipc.new_stream(self._file, target.schema)
        except OSError as error:
            raise spill_error(path, error) from None

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        (data,) = wire.buffers
        batch = pa.ipc.read_record_batch(pa.py_buffer(data), self._target.schema)
        if len(batch):
            self._batches.append(batch)
            self._nbytes += len(data)
        if self._nbytes >= self._target.run_bytes:
            self._write_run()
        return iter((Response(token, wire, None),))

    def drain(self) -> Iterator[Response]:
        self._write_run()
        return iter(())

    def renew(self) -> None:
        """Do nothing: a file stays open."""

    def close(self) -> None:
        self._file.close()  # a stream may end with any of its batches

    def _write_run(self) -> None:
        if not self._batches:
            return
        batch = pa.concat_batches(self._batches) if len(self._batches) > 1 else self._batches[0]
        heads = pc.shift_right(batch.column(0), pa.scalar(_UNSORTED_BITS, HASH)).cast(pa.uint16())
        try:
            self._writer.write_batch(batch.take(pc.array_sort_indices(heads)))
        except OSError as error:
            raise spill_error(self._path, error) from None
        self._batches, self._nbytes = [], 0


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
class Runs:
    """Runs of all workers: see NOTE(runs)."""

    runs: list[pa.RecordBatch]

    @property
    def rows(self) -> int:
        return sum(len(run) for run in self.runs)

    @property
    def nbytes(self) -> int:
        return sum(run.nbytes for run in self.runs)

    def within(self, wanted: Range) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each run whose hash is in a range, where there are any."""
        for run in self.runs:
            rows = _slice(run, wanted)
            if len(rows):
                yield rows


def _slice(run: pa.RecordBatch, wanted: Range) -> pa.RecordBatch:
    hashes = run.column(0)
    _, data = hashes.buffers()
    view = memoryview(data).cast("Q")[hashes.offset : hashes.offset + len(hashes)]
    first, last = wanted.start >> _UNSORTED_BITS, (wanted.stop - 1) >> _UNSORTED_BITS
    start = bisect_left(view, first, key=_head)
    stop = bisect_left(view, last + 1, lo=start, key=_head)
    rows = run.slice(start, stop - start)
    if wanted.start == first << _UNSORTED_BITS and wanted.stop == (last + 1) << _UNSORTED_BITS:
        return rows
    inside = pc.less_equal(rows.column(0), pa.scalar(wanted.stop - 1, HASH))
    return rows.filter(pc.and_(inside, pc.greater_equal(rows.column(0), pa.scalar(wanted.start, HASH))))


def _head(hash_: int) -> int:
    return hash_ >> _UNSORTED_BITS


def _runs_in(path: str) -> list[pa.RecordBatch]:
    if not os.path.getsize(path):  # its worker had no record
        return []
    with pa.memory_map(path) as file:
        return list(pa.ipc.open_stream(file))


def spill_error(path: str, error: OSError) -> TargetError:
    """Return the error of a file that cannot be written or read."""
    why = os.strerror(error.errno) if error.errno else str(error)
    return TargetError(f"{path}: {why}: there has to be room for a hash of every key beside the target")
