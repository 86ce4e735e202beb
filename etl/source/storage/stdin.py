"""Inputs that are read from one end to the other: local files, compressed or not, and standard input."""

from __future__ import annotations

import os
import select
import stat
import sys

from etl.errors import SourceError
from etl.source.storage.compression import (
    ByteStream,
    Rewound,
    sniffed,
)


class StandardInput:
    """Standard input (or another descriptor), which can be read once, and in this process only.

    Compressed data is told by its first bytes, as there is no name. Pickles as its name and size.
    """

    name = "standard input"
    identity = "-"
    fingerprint = None
    owned = False  # the descriptor belongs to the process

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _standard_descriptor() if descriptor is None else descriptor
        self.nbytes = _size(self._descriptor)
        self._stream: ByteStream | None = None
        self._spent = False

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_descriptor": -1, "_stream": None, "_spent": True}

    def open(self) -> ByteStream:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            return stream
        if self._spent:
            raise SourceError(f"{self.name} can be read only once: save it to a file and load that")
        self._spent = True
        return sniffed(PipeBytes(self._descriptor, self.name, owned=self.owned), self.name)

    def release(self, stream: ByteStream, head: bytes) -> None:
        self._stream = Rewound(stream, head)

    def verify_unchanged(self) -> None:
        """Nothing can be said of bytes that are gone."""


class Pipe(StandardInput):
    """A named pipe, or what a shell makes of ``<(command)``: read as standard input is."""

    owned = True

    def __init__(self, path: str) -> None:
        self.name = self.identity = path
        super().__init__(_opened_pipe(path))


def is_pipe(path: str) -> bool:
    """Return True if a path is that of a pipe (``/dev/fd/63`` may be one)."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False  # whoever opens it says why


def _opened_pipe(path: str) -> int:
    """Open a pipe without waiting for somebody to write to it: a signal could not end that."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None


def _standard_descriptor() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):  # none, closed, or no real file
        raise SourceError("standard input is closed: give a file, or send the data through a pipe") from None


def _size(descriptor: int) -> int | None:
    """Return the bytes that are left of a regular file (``load - < file``); None for a pipe."""
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return max(0, status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR))
    except OSError as error:
        raise SourceError(f"cannot read standard input: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceError("standard input is a folder: name it as a source instead")
    return None


class PipeBytes:
    """The bytes of a pipe. Below Python's buffers: a thread that waits in those stops the process's end."""

    def __init__(self, descriptor: int, name: str, *, owned: bool = False) -> None:
        self._descriptor = descriptor
        self._name = name
        self._owned = owned
        self._ended = False
        self.consumed = 0

    def read(self, nbytes: int) -> bytes:
        while not self._ended:  # a terminal would begin again behind its end
            if not self.consumed:  # a named pipe nobody has opened for writing yet would seem to be empty
                select.select([self._descriptor], [], [])
            try:
                data = os.read(self._descriptor, nbytes)
            except BlockingIOError:  # another program has set it so
                select.select([self._descriptor], [], [])
            except OSError as error:
                raise SourceError(
                    f"cannot read {self._name} at byte {self.consumed:,}: {error.strerror}"
                ) from None
            else:
                self.consumed += len(data)
                self._ended = not data
                return data
        return b""

    def close(self) -> None:
        """Close what was opened here; standard input stays open, as it belongs to the process."""
        if self._owned:
            os.close(self._descriptor)
            self._owned = False
            self._ended = True
