"""The names of RDB files while they are built."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass

from etl.errors import TargetError
from etl.sink.spill import remove_spills

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Paths:
    """``files`` are what is built, one or a shard each, under these names when all are complete."""

    files: tuple[str, ...]

    @property
    def partials(self) -> tuple[str, ...]:
        """The files as far as they are: room for the header, and entries."""
        return tuple(f"{file}.partial" for file in self.files)

    @property
    def journal(self) -> str:
        """What is known of them, for a run that goes on."""
        return f"{self.files[0]}.journal"

    @property
    def keys_folder(self) -> str:
        """Where the keys are looked at before a load, for its time."""
        return f"{self.files[0]}.keys"

    @property
    def spool(self) -> str:
        """A copy of the stream that is loaded, for the time of the load."""
        return f"{self.files[0]}.spool"

    def remove_temporary(self) -> None:
        """Remove what a run that was killed has left, and none can go on with."""
        remove_spills(self.keys_folder)
        _remove(self.spool, f"{self.journal}.new")

    def remove_unfinished(self) -> None:
        """Remove all that is there of files that are not complete, and their journal."""
        self.remove_temporary()
        _remove(*self.partials, self.journal)

    def failure(self, error: OSError) -> TargetError:
        """Return the error of a file that cannot be written, with what to do."""
        name = error.filename if isinstance(error.filename, str) else self.partials[0]
        hint = "; the same command goes on when there is room" if error.errno in _NO_ROOM else ""
        if error.errno == errno.EFBIG:
            hint = " for the limit of file sizes: raise it (ulimit -f), and the same command goes on"
        return TargetError(f"rdb:{name}: {error.strerror or error}{hint}")


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def sync_folder(path: str) -> None:
    """Have the names in a file's folder on the disk. Raises OSError."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
