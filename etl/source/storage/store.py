"""The contract of a client library for remote files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from etl.source.storage.uri import Uri


@dataclass(frozen=True, slots=True)
class Found:
    """What a store knows of one path: ``stamp`` changes when the file does (ETag, time of change)."""

    path: str
    nbytes: int | None
    stamp: str = ""
    folder: bool = False


class Store(Protocol):
    """One remote file system; paths are its own. Methods raise what the library behind it raises."""

    def path_of(self, uri: Uri) -> str:
        """Return the path that a URI means here."""

    def uri_of(self, path: str, uri: Uri) -> Uri:
        """Return the URI of a path that was found by way of ``uri``, with the same user and query."""

    def info(self, path: str) -> Found | None:
        """Look at one path; None where nothing is."""

    def below(self, folder: str) -> list[Found]:
        """List every file below a folder, in any order, hidden ones left out."""

    def glob(self, pattern: str) -> list[Found]:
        """List the files that match a pattern (``*``, ``**``, ``[...]``), in any order."""

    def open_stream(self, found: Found) -> Any:
        """Open a file to be read from one end to the other: an object with ``read`` and ``close``."""

    def put(self, local: str, path: str) -> None:
        """Copy a file of this machine to a path, where it appears when it is complete."""

    def open_random(self, found: Found) -> Any:
        """Open a file to be read anywhere: an Arrow NativeFile, or a Python file object that can seek."""
