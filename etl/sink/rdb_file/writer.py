"""How one process writes into RDB files that several build together: see NOTE(ranges)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence

from etl.encode.rdb.file import crc_of
from etl.encode.rdb.parts import read_part
from etl.plan import Wire, journal_entry
from etl.plan.wire import Buffer
from etl.sink.rdb_file.container import container_of
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import RANGE, Range

_MAX_BUFFERS = 64  # of one pwritev; systems take 1,024 at most


class RangeWriter:
    """Open files of which this process has ranges. ``expire``: all its keys have an expiry, else none has.

    Every method raises TargetError.
    """

    def __init__(self, paths: Paths, *, expire: bool) -> None:
        self._paths = paths
        self._expire = expire
        self._containers = [container_of(file) for file in paths.files]
        self._ranges: list[Range] = []
        self._partials: list[int] = []
        self._journal = -1
        with self._failures():
            self._journal = os.open(paths.journal, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            for partial in paths.partials:
                self._partials.append(os.open(partial, os.O_WRONLY | os.O_CLOEXEC))

    def write(self, wire: Wire, file: int) -> None:
        """Write a wire's entries into a range of their own."""
        crc = 0
        for buffer in wire.buffers:
            crc = crc_of(buffer, crc)
        packed = self._containers[file].packed(wire.buffers)
        nbytes = sum(map(len, packed))
        with self._failures():
            offset = self._reserve(file, nbytes)
            at = offset
            for start in range(0, len(packed), _MAX_BUFFERS):
                at = _write_all(self._partials[file], packed[start : start + _MAX_BUFFERS], at)
        part = read_part(wire.buffers[0])
        keys = wire.groups - (0 if part is None else part.buckets)  # those are written when they are whole
        expires = keys if self._expire else 0
        first = -1 if part is None else part.numbers[0].as_py()
        self._ranges.append(Range(file, offset, nbytes, wire.nbytes, crc, keys, expires, first))

    def note(self, wire: Wire) -> None:
        """Write a checkpoint, a name and a value, and with it the ranges that were written since the last."""
        name, value = map(bytes, wire.buffers)
        entry = journal_entry([(name, value), *((RANGE, found.value) for found in self._ranges)])
        with self._failures():
            written = os.write(self._journal, entry)
            if written < len(entry):
                # It says why; if it does not, the rest may have come after what others have written by then.
                os.write(self._journal, entry[written:])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._paths.journal)
        self._ranges.clear()

    @property
    def unnoted(self) -> tuple[Range, ...]:
        """The ranges that no checkpoint has been written after."""
        return tuple(self._ranges)

    def close(self) -> None:
        """Close the files. May be called twice."""
        for descriptor in (*self._partials, self._journal):
            if descriptor >= 0:
                os.close(descriptor)
        self._partials, self._journal = [], -1

    def _reserve(self, file: int, nbytes: int) -> int:
        """Make a file longer; return where the part begins that is this process's."""
        fcntl.flock(self._journal, fcntl.LOCK_EX)  # of a process that dies it is let go
        try:
            offset = os.fstat(self._partials[file]).st_size
            os.ftruncate(self._partials[file], offset + nbytes)
        finally:
            fcntl.flock(self._journal, fcntl.LOCK_UN)
        return offset

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            raise self._paths.failure(error) from None


def _write_all(descriptor: int, buffers: Sequence[Buffer], at: int) -> int:
    """Write buffers one after the other; return where they end. Raises OSError."""
    rest = [memoryview(buffer) for buffer in buffers]
    while rest:
        written = os.pwritev(descriptor, rest, at)
        at += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]
    return at
