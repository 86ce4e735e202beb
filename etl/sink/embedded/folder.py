"""The folder of a server of our own: its locks, its socket, what it must not be."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from etl.errors import TargetError

_SOCKET_PATH_BYTES = 100  # sun_path holds 104 (BSD) or 108 (Linux), its final NUL included


_DEAD_OWNER_S = 5.0  # forked workers hold the lock of a killed command until they see that it is gone


_LOG_LINES = 8


# What a server writes into its log before it gives up, and what that means. The first that fits counts.
_CAUSES = (
    (
        "Can't handle RDB format version",
        "it is of an RDB version that this server does not read: put a newer one on the PATH",
    ),
    ("No space left on device", "the disk is full"),
    ("Permission denied", "a file or the folder may not be read or written"),
    ("Wrong signature", "dump.rdb is not a Redis dump"),
    ("loading the DB", "dump.rdb is damaged"),
    ("RDB reading", "dump.rdb is damaged"),
    ("rdb file reading", "dump.rdb is damaged"),
    ("Wrong RDB checksum", "dump.rdb is damaged"),
    ("Short read", "dump.rdb is damaged"),
    ("loading shared libraries", "the server's binary does not fit this system"),
    ("moving temp DB file", "dump.rdb could not be replaced"),
)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one embedded server, by absolute path; messages call it ``named``, or by its path."""

    folder: str
    named: str = ""

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _log(self) -> str:
        try:
            with open(self.file("redis.log"), errors="replace") as log:
                return log.read()
        except OSError as error:
            return str(error)

    def failure(self, what: str) -> TargetError:
        """Return the error that says what happened in this folder, why, and how the server's log ends."""
        log = self._log()
        cause = next((cause for sign, cause in _CAUSES if sign in log), "")
        tail = "".join(f"\n  {line}" for line in log.splitlines()[-_LOG_LINES:])
        return TargetError(
            f"{self.named or f'embedded:{self.folder}'}: {what}{': ' if cause else ''}{cause}."
            f" The last lines of {self.file('redis.log')}:{tail or ' none'}"
        )


def make_folder(home: Home) -> None:
    try:
        os.makedirs(home.folder, mode=0o700, exist_ok=True)
    except FileExistsError:
        raise TargetError(f"embedded:{home.folder} is a file, and must be a folder") from None


@contextlib.contextmanager
def owned(home: Home) -> Iterator[None]:
    """Hold the folder for this process; see NOTE(two locks)."""
    with open(home.file("etl.lock"), "a+", errors="replace", opener=private) as lock:
        deadline = time.monotonic() + _DEAD_OWNER_S
        while not locked(lock.fileno()):
            lock.seek(0)
            owner = lock.read().strip()
            if _runs(owner) or time.monotonic() > deadline:
                raise TargetError(
                    f"embedded:{home.folder} is in use by another command"
                    f" (process {owner or 'unknown'}): wait for it to end, or use another folder"
                )
            time.sleep(0.02)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            # Explicitly: a forked process that still lives has a copy of the descriptor, and of the lock.
            fcntl.flock(lock.fileno(), fcntl.LOCK_UN)


@contextlib.contextmanager
def socket_place(home: Home, server_lock: io.FileIO) -> Iterator[str]:
    """Yield the path for the socket, and write it where the next command looks for an orphan."""
    path = home.file("redis.sock")
    if not _fits(path):
        path = os.path.join(tempfile.mkdtemp(prefix="redis-etl-"), "redis.sock")
    if not _fits(path):
        os.rmdir(os.path.dirname(path))
        path = os.path.join(tempfile.mkdtemp(prefix="redis-etl-", dir="/tmp"), "redis.sock")
    server_lock.truncate(0)
    os.pwrite(server_lock.fileno(), os.fsencode(path), 0)
    try:
        yield path
    finally:
        forget_socket(path)


def _fits(path: str) -> bool:
    """Return True if the path is short enough for AF_UNIX and, as a URL is text, UTF-8."""
    try:
        return len(path.encode()) <= _SOCKET_PATH_BYTES
    except UnicodeEncodeError:
        return False


def forget_socket(path: str) -> None:
    """Remove the socket and a folder made for it. ``path`` may come from a file: nothing else is removed."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    if os.path.basename(os.path.dirname(path)).startswith("redis-etl-"):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)
