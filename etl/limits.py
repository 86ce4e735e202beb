"""The limits that the system sets to a process (``ulimit``), and what to say of one that is reached."""

from __future__ import annotations

import errno
import os

from etl.errors import LimitError

DESCRIPTORS = 14
"""File descriptors that a run opens in this process at most, beside those for worker processes."""

DESCRIPTORS_A_WORKER = 8
"""Those for a worker process: a Pipe, what tells of its end, what the fork server passes on."""


def require_descriptors(workers: int) -> None:
    """Refuse to begin what would end for want of file descriptors. Raises LimitError.

    A process that cannot open a file cannot even start workers that say so.
    """
    limit = _soft("RLIMIT_NOFILE")
    if limit is None:
        return
    needed = DESCRIPTORS + (DESCRIPTORS_A_WORKER * workers if workers > 1 else 0)
    try:
        used = len(os.listdir("/proc/self/fd")) - 1  # but for the one of the folder itself
    except OSError as error:
        used = 3 if error.errno != errno.EMFILE else limit
    if used + needed > limit:
        fewer = ", or give fewer --workers" if workers > 1 else ""
        raise LimitError(
            f"the limit of open files is {limit}, and this run needs about {used + needed}:"
            f" raise it (ulimit -n){fewer}"
        )


def limit_reached(error: OSError) -> LimitError | None:
    """Make the error for a limit that an operation has reached; None for any other failure."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return LimitError(
            f"too many open files; the limit is {_soft('RLIMIT_NOFILE') or 'not known'}:"
            " raise it (ulimit -n), or give fewer --workers"
        )
    if error.errno == errno.EFBIG:
        what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "a temporary file"
        return LimitError(
            f"{what} grew beyond the limit of file sizes,"
            f" {_soft('RLIMIT_FSIZE') or 'that of its disk'} bytes: raise it (ulimit -f)"
        )
    return None


def _soft(name: str) -> int | None:
    """Return the limit in force; None where there is none."""
    try:
        import resource
    except ImportError:  # not on this system
        return None
    limit: int = resource.getrlimit(getattr(resource, name))[0]
    return None if limit == resource.RLIM_INFINITY else limit
