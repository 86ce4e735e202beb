"""The names of an RDB file while it is built."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from etl.errors import TargetError


@dataclass(frozen=True, slots=True)
class Paths:
    """``file`` is what is built; it appears under that name when it is complete."""

    file: str

    @property
    def partial(self) -> str:
        """The file as far as it is: room for the header, and entries."""
        return f"{self.file}.partial"

    @property
    def journal(self) -> str:
        """What is known of it, for a run that goes on."""
        return f"{self.file}.journal"

    def failure(self, error: OSError) -> TargetError:
        """Return the error of a file that cannot be written, with what to do."""
        name = error.filename if isinstance(error.filename, str) else self.partial
        hint = "; the same command goes on when there is room" if error.errno in _NO_ROOM else ""
        return TargetError(f"rdb:{self.file}: {name}: {error.strerror or error}{hint}")


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_folder(path: str) -> None:
    """Have the names in a file's folder on the disk. Raises OSError."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
