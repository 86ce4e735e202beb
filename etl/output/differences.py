"""The file of differences (``verify --differences``): one JSON object a line for each of them, in full.

Like the reject file it holds data: mode 0600, and each worker appends whole lines with one ``write``.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import SourceError
from etl.output.reject_file import append
from etl.report import Example


@dataclass(frozen=True, slots=True)
class DifferenceFile:
    """A DifferenceSink (``etl/plan/plan.py``). ``begin`` is called once, before any worker writes."""

    path: str

    def begin(self) -> None:
        """Make the file, or empty it. Raises SourceError where it cannot be written."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fchmod(descriptor, 0o600)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unwritten(error) from None

    def write(self, differences: Sequence[Example]) -> None:
        """Append differences. Raises SourceError where the file cannot be written."""
        try:
            append(self.path, b"".join(map(difference_line, differences)))
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> SourceError:
        return SourceError(f"cannot write differences to {self.path} (--differences): {error.strerror}")


def difference_line(difference: Example) -> bytes:
    """Return one difference as a line of JSON: ``record``, ``key``, ``expected``, ``found``.

    Bytes that are not UTF-8 stand in ``key_base64`` and so on instead; ``found`` is null for what is missing.
    """
    entry: dict[str, object] = {"record": difference.record}
    values = {"key": difference.key, "expected": difference.expected, "found": difference.found}
    for name, value in values.items():
        try:
            entry[name] = None if value is None else value.decode("utf-8")
        except UnicodeDecodeError:
            assert value is not None
            entry[f"{name}_base64"] = base64.b64encode(value).decode("ascii")
    return _ENCODER.encode(entry).encode("utf-8") + b"\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False)
