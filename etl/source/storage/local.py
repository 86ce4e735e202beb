"""Files named on the command line: found, put in a stable order, and watched while they are read."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etl.errors import SourceError, UsageError
from etl.source.storage.compression import ByteStream, closing_on_error


@dataclass(frozen=True, slots=True)
class File:
    """A regular file as it was when the plan was made.

    ``size`` in bytes; ``modified_at`` in nanoseconds since the epoch; ``device`` and ``inode`` name the
    file itself, so that one put in its place is noticed.
    """

    path: str
    size: int
    modified_at: int
    device: int
    inode: int

    def matches(self, status: os.stat_result) -> bool:
        """Return True if ``status`` is still that of this file, unchanged."""
        return (self.size, self.modified_at, self.device, self.inode) == (
            status.st_size,
            status.st_mtime_ns,
            status.st_dev,
            status.st_ino,
        )


def find_files(sources: Sequence[str]) -> tuple[File, ...]:
    """Find the regular files that paths, globs and folders name: in the order given, each one's sorted.

    A folder means every file below it, also through links, except hidden ones (a name that starts with
    ``.`` or ``_``, as Arrow's datasets have it). Raises SourceError where nothing is found or readable, and
    UsageError where one file is named twice.
    """
    if not sources:
        raise UsageError("no source is given: name a file, a glob or a folder")
    files = tuple(_examine(path) for source in sources for path in _paths(source))
    require_distinct(files)
    return files


def fingerprint(files: Iterable[File]) -> str:
    """Return a digest of the files' real paths, sizes and times of change, in this order."""
    return digest(f"{os.path.realpath(file.path)}\0{file.size}\0{file.modified_at}" for file in files)


def digest(parts: Iterable[str]) -> str:
    """Return one digest of texts."""
    joined = "\0\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(joined).hexdigest()


def require_distinct(files: Iterable[File]) -> None:
    """Raise UsageError where one file is named twice, be it by two names."""
    named_by: dict[tuple[int, int], str] = {}
    for file in files:
        identity = (file.device, file.inode)
        if identity in named_by:
            raise UsageError(
                f"{file.path} is given twice (also as {named_by[identity]}):"
                " its records would be loaded twice"
            )
        named_by[identity] = file.path


def _paths(source: str) -> Sequence[str]:
    if source == "-":
        raise UsageError("standard input (-) cannot be read in this format: give a file")
    if os.path.isdir(source):
        paths = sorted(_below(source))
        if not paths:
            raise SourceError(f"the folder {source} holds no files (hidden ones are left out)")
        return paths
    if os.path.lexists(source) or not glob.has_magic(source):
        return [source]
    paths = sorted(path for path in glob.glob(source, recursive=True) if not os.path.isdir(path))
    if not paths:
        raise SourceError(f"no file matches {source}")
    return paths


def _below(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(f"cannot read the folder {error.filename}: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:
            raise UsageError(
                f"the folder {parent} is reached twice, through a link: leave one of the two out"
            )
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (os.path.join(parent, name) for name in names if not name.startswith((".", "_")))


def _examine(path: str) -> File:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path} is {_kind(status.st_mode)}, not a regular file")
        with open(path, "rb", buffering=0) as trial:  # better refused now than by a worker in the middle
            if not status.st_size and trial.read(1):
                raise SourceError(
                    f"{path} has content but no size, as files of /proc have: give a copy of it"
                )
    except ValueError:
        raise SourceError(f"{path!r} is not a path") from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    return File(path, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something special")


class OpenFile:
    """A file being read; every read makes sure that it still is what it was. Raises SourceError."""

    def __init__(self, file: File) -> None:
        self.file = file
        try:
            self._descriptor = os.open(file.path, os.O_RDONLY)
        except OSError as error:
            raise SourceError(f"cannot read {file.path}: {error.strerror}") from None
        try:
            self._require_unchanged(file.size)
        except SourceError:
            self.close()
            raise

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from ``start`` up to ``stop``, all of them."""
        try:
            data = os.pread(self._descriptor, stop - start, start)
            while len(data) < stop - start:  # one call gives at most 2 GB
                more = os.pread(self._descriptor, stop - start - len(data), start + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise SourceError(f"cannot read {self.file.path} at byte {start}: {error.strerror}") from None
        self._require_unchanged(start + len(data))
        return data

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _require_unchanged(self, position: int) -> None:
        require_unchanged(self.file, os.fstat(self._descriptor), position)


def require_unchanged(file: File, status: os.stat_result, position: int | None = None) -> None:
    """Raise SourceError, with the byte offset ``position``, when ``status`` is not what the file's was."""
    if file.matches(status):
        return
    where = "" if position is None else f" (noticed at byte {position:,})"
    if (status.st_dev, status.st_ino) != (file.device, file.inode):
        what = "was replaced by another file"
    elif status.st_size < file.size:
        what = f"shrank from {file.size:,} to {status.st_size:,} bytes"
    elif status.st_size > file.size:
        what = f"grew from {file.size:,} to {status.st_size:,} bytes"
    else:
        what = "was written to"
    raise SourceError(f"{file.path} {what} while it was read{where}: load it again when nobody writes to it")


def restat(file: File) -> None:
    """Raise SourceError when the file at this path is no longer the one that was read, unchanged."""
    try:
        status = os.stat(file.path)
    except OSError as error:
        raise SourceError(f"{file.path} went away while it was read: {error.strerror}") from None
    require_unchanged(file, status)


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
