"""The reject file: one JSON object a line for each record that was refused, so that it can be mended.

Each worker appends whole lines with one ``write`` to a file opened with O_APPEND, so lines of several
workers never mix. The file holds data: nobody but its owner may read it (mode 0600).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import dataclass

from etl.errors import SourceError
from etl.plan import Reject


@dataclass(frozen=True, slots=True)
class RejectFile:
    """Where rejects go: frozen and picklable; made when the first reject comes."""

    path: str

    def forget(self) -> None:
        """Take away what an earlier run left."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects. Raises SourceError where the file cannot be written: no reject is dropped."""
        lines = b"".join(reject_line(reject) for reject in rejects)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                while lines:
                    lines = lines[os.write(descriptor, lines) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SourceError(f"cannot write rejects to {self.path}: {error.strerror}") from None


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
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
