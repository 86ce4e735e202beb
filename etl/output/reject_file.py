"""The reject file: one JSON object a line for each record that was refused, so that it can be mended.

Each worker appends whole lines with one ``write`` to a file opened with O_APPEND, so lines of several
workers never mix. The file holds data: nobody but its owner may read it (mode 0600).
"""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import itertools
import json
import os
import stat
from dataclasses import dataclass, replace
from typing import Any

from etl.errors import SourceError
from etl.plan import Reject
from etl.report import Rejected


@dataclass(frozen=True, slots=True)
class RejectFile:
    """Where rejects go: frozen and picklable; made when the first reject comes.

    ``attempt`` is that of the worker that writes: after the first one the file may have the reject already.
    """

    path: str
    attempt: int = 0

    def for_attempt(self, number: int) -> RejectFile:
        _written_before.cache_clear()  # it may be another run's, of the same name
        return replace(self, attempt=number)

    def set_aside(self) -> str | None:
        """Move aside what an earlier run left, which somebody may be correcting; return its new name.

        ``x.jsonl`` becomes ``x.jsonl.1`` or the next number that is free: nothing is ever overwritten. None
        where there is nothing to keep. What is no regular file (``/dev/null``, a pipe) is left as it is.
        Raises SourceError where that, or a new file, cannot be.
        """
        try:
            found = os.stat(self.path)
            if stat.S_ISDIR(found.st_mode):
                raise self._unwritten("it is a folder")
            if not stat.S_ISREG(found.st_mode) or not found.st_size:
                return None
            for number in itertools.count(1):
                with contextlib.suppress(FileExistsError):
                    aside = f"{self.path}.{number}"
                    _move(self.path, aside)
                    return aside
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unwritten(error.strerror) from None
        return None

    def first(self) -> Rejected:
        """Return what people are told of the file: its name and, where it can be read, its first reject."""
        entry: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            if stat.S_ISREG(os.stat(self.path).st_mode):
                with open(self.path, "rb") as lines:
                    entry = json.loads(lines.readline())
        return Rejected(self.path, entry.get("file"), entry.get("record"), entry.get("reason"))

    def require_writable(self) -> None:
        """Raise SourceError where the file cannot be made: before a load, not at its first reject."""
        made = not os.path.lexists(self.path)
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600))
            if made:
                os.unlink(self.path)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a pipe that is not read yet
                raise self._unwritten(error.strerror) from None

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects. Raises SourceError where the file cannot be written: no reject is dropped."""
        if self.attempt:
            known = _written_before(self)
            rejects = [reject for reject in rejects if (reject.file, reject.record) not in known]
        lines = b"".join(reject_line(reject) for reject in rejects)
        try:
            append(self.path, lines)
        except OSError as error:
            raise self._unwritten(error.strerror) from None

    def _unwritten(self, why: str | None) -> SourceError:
        return SourceError(
            f"cannot write rejects to {self.path}: {why}; name another file with --rejects FILE"
        )


def append(path: str, lines: bytes) -> None:
    """Append whole lines to a file that only its owner may read; make it if need be. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _move(path: str, aside: str) -> None:
    """Rename a file. Raises FileExistsError where the new name is taken, as ``os.rename`` does not."""
    try:
        os.link(path, aside)
    except FileExistsError:
        raise
    except OSError:  # there are file systems without links
        if os.path.lexists(aside):
            raise FileExistsError(aside) from None
        os.rename(path, aside)
    else:
        os.unlink(path)


@functools.cache
def _written_before(rejects: RejectFile) -> frozenset[tuple[str, int]]:
    """Return file and record number of what earlier turns wrote."""
    known: set[tuple[str, int]] = set()
    with contextlib.suppress(OSError), open(rejects.path, "rb") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off, or not ours
                entry = json.loads(line)
                known.add((entry["file"], entry["record"]))
    return frozenset(known)


def reject_line(reject: Reject) -> bytes:
    """Write one reject as a line of JSON; bytes that are no UTF-8 as ``raw_base64`` instead of ``raw``."""
    entry: dict[str, object] = {
        "file": reject.file,
        "record": reject.record,
        "offset": reject.offset,
        "reason": reject.reason,
    }
    try:
        entry["raw"] = reject.raw.decode("utf-8")
    except UnicodeDecodeError:
        entry["raw_base64"] = base64.b64encode(reject.raw).decode("ascii")
    return _ENCODER.encode(entry).encode("utf-8", "backslashreplace") + b"\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for each reject
