"""A worker's way into an RDB file: see NOTE(ranges)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from typing import Any

from etl.encode.rdb.crc64 import crc64
from etl.plan import Response, Wire, journal_entry
from etl.plan.wire import Buffer
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import RANGE, Range

_MAX_BUFFERS = 64  # of one writev; systems take 1,024 at most


class FileSession:
    """A RenewableSession (``etl/plan/target.py``) that answers at once: what it returns has been written.

    A wire without records is a checkpoint: its buffers are a name and a value for the journal. All ranges
    that were written since the one before are noted with it, as a worker's checkpoint comes when all that it
    has sent belongs to completed blocks.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._ranges: list[Range] = []
        try:
            self._partial = os.open(paths.partial, os.O_WRONLY | os.O_CLOEXEC)
            self._journal = os.open(paths.journal, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise paths.failure(error) from None

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        try:
            if wire.records:
                self._write(wire)
            else:
                name, value = map(bytes, wire.buffers)
                self._note(name, value)
        except OSError as error:
            raise self._paths.failure(error) from None
        return iter((Response(token, wire, None),))

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        """Do nothing: files stay open."""

    def close(self) -> None:
        for descriptor in (self._partial, self._journal):
            if descriptor >= 0:
                os.close(descriptor)
        self._partial = self._journal = -1

    def _write(self, wire: Wire) -> None:
        offset = self._reserve(wire.nbytes)
        crc, at = 0, offset
        for buffer in wire.buffers:
            crc = crc64()(buffer, crc)
        for start in range(0, len(wire.buffers), _MAX_BUFFERS):
            at = _write_all(self._partial, wire.buffers[start : start + _MAX_BUFFERS], at)
        self._ranges.append(Range(offset, at - offset, crc, wire.groups))

    def _reserve(self, nbytes: int) -> int:
        """Make the file longer; return where the part begins that is this worker's."""
        fcntl.flock(self._journal, fcntl.LOCK_EX)  # of a process that dies it is let go
        try:
            offset = os.fstat(self._partial).st_size
            os.ftruncate(self._partial, offset + nbytes)
        finally:
            fcntl.flock(self._journal, fcntl.LOCK_UN)
        return offset

    def _note(self, name: bytes, value: bytes) -> None:
        entry = journal_entry([(name, value), *((RANGE, found.value) for found in self._ranges)])
        if os.write(self._journal, entry) < len(entry):  # the disk is full: nobody reads on from here
            os.write(self._journal, entry)  # raises why
        self._ranges.clear()


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
