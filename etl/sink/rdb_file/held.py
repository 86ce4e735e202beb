"""Unfinished files are one run's: it has them locked while it builds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from etl.errors import LockedError, UsageError
from etl.plan import StopFlag
from etl.sink.rdb_file.paths import Paths

_LOOK_EVERY_S = 0.2


@contextlib.contextmanager
def held_alone(paths: Paths, mode: int, wait_s: float, stop: StopFlag) -> Iterator[None]:
    """Have unfinished files to oneself while entered; they are made, empty, where they are missing.

    ``mode`` is that of new ones, less the umask. Empty ones are removed in the end. Raises LockedError where
    another run has one of them after ``wait_s`` seconds, UsageError for files of somebody else under their
    names, TargetError.
    """
    deadline = time.monotonic() + wait_s
    while (held := _lock(paths, mode)) is None:
        if time.monotonic() >= deadline or stop.wait(_LOOK_EVERY_S):
            raise LockedError(
                f"rdb:{paths.files[0]} is being built by another run: wait for it (--wait-lock), or name"
                " another file"
            )
    try:
        _require_ours(paths, held)
        yield
    finally:
        for partial, descriptor in zip(paths.partials, held, strict=True):
            with contextlib.suppress(OSError):
                if os.fstat(descriptor).st_size == 0:
                    os.unlink(partial)
            os.close(descriptor)


def _lock(paths: Paths, mode: int) -> list[int] | None:
    """Return descriptors of the unfinished files, locked; None while another process has one of them."""
    held: list[int] = []
    try:
        for partial in paths.partials:
            os.makedirs(os.path.dirname(partial), exist_ok=True)
            held.append(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode))
            if not _is_locked(partial, held[-1]):
                _close(held)
                return None
    except OSError as error:
        _close(held)
        raise paths.failure(error) from None
    return held


def _is_locked(partial: str, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.stat(partial))
    except (BlockingIOError, FileNotFoundError):  # held, or renamed as it is complete
        return False


def _close(held: list[int]) -> None:
    for descriptor in held:
        os.close(descriptor)


def _require_ours(paths: Paths, held: list[int]) -> None:
    """Refuse files that would be lost. Ours have a journal, or nothing in them but room for a header.

    Raises UsageError.
    """
    if os.path.exists(paths.journal):
        return
    for partial, descriptor in zip(paths.partials, held, strict=True):
        if os.pread(descriptor, 1, 0) not in (b"", b"\0"):
            raise UsageError(
                f"{partial} is there, and no build has left it: it would be lost; name another file"
            )
