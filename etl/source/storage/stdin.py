"""Inputs that are read from one end to the other: local files, compressed or not, and standard input."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from etl.errors import SourceError
from etl.source.storage.compression import MAGIC_BYTES, ByteStream, Rewound, decompressed, read_head, sniff
from etl.source.storage.local import File, OpenFile, digest, fingerprint, restat


class Input(Protocol):
    """One input of a stream: picklable, though perhaps of use in the process that made it only."""

    @property
    def name(self) -> str:
        """Its name for people: no secret in it."""

    @property
    def identity(self) -> str:
        """What makes it the same input in another run: a real path, a URI; no secret in it."""

    @property
    def fingerprint(self) -> str | None:
        """Digest of what tells it from a changed one; None where nobody can tell."""

    @property
    def nbytes(self) -> int | None:
        """Its size as it is stored (compressed); None where nobody knows."""

    def open(self) -> ByteStream:
        """Open its text from the beginning, decompressed. Raises SourceError."""

    def release(self, stream: ByteStream, head: bytes) -> None:
        """Take back a stream of which only ``head`` was read; the next ``open`` begins with it again."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when it is no longer what it was when this was made."""


def joint_fingerprint(inputs: Iterable[Input]) -> str | None:
    """Give one digest of what tells inputs from changed ones; None where it cannot be told of one."""
    prints = [input.fingerprint for input in inputs]
    known = [one for one in prints if one is not None]
    return digest(known) if len(known) == len(prints) else None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file; ``codec`` None: not compressed."""

    file: File
    codec: str | None

    @property
    def name(self) -> str:
        return self.file.path

    @property
    def identity(self) -> str:
        return os.path.realpath(self.file.path)

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.file])

    @property
    def nbytes(self) -> int:
        return self.file.size

    def open(self) -> ByteStream:
        return closing_on_error(LocalBytes(self.file), self.codec, self.name)

    def release(self, stream: ByteStream, head: bytes) -> None:
        stream.close()

    def verify_unchanged(self) -> None:
        restat(self.file)


def closing_on_error(raw: ByteStream, codec: str | None, name: str) -> ByteStream:
    """Give ``decompressed(raw, codec, name)``; where that fails, ``raw`` is closed."""
    try:
        return decompressed(raw, codec, name)
    except BaseException:
        raw.close()
        raise


class LocalBytes:
    """The bytes of a local file, which must not change meanwhile."""

    def __init__(self, file: File) -> None:
        self._opened = OpenFile(file)
        self.consumed = 0

    def read(self, nbytes: int) -> bytes:
        stop = min(self.consumed + nbytes, self._opened.file.size)
        data = self._opened.read(self.consumed, stop)
        self.consumed = stop
        return data

    def close(self) -> None:
        self._opened.close()


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


def sniffed(raw: ByteStream, name: str) -> ByteStream:
    """Give the text of a stream that is compressed if its first bytes say so."""
    try:
        head = read_head(raw, MAGIC_BYTES)
    except BaseException:
        raw.close()
        raise
    return closing_on_error(Rewound(raw, head), sniff(head), name)


def _standard_descriptor() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):  # none, closed, or no real file
        raise SourceError("standard input is closed: give a file, or send the data through a pipe") from None


def _size(descriptor: int) -> int | None:
    """Give the bytes that are left of a regular file (``load - < file``); None for a pipe."""
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
