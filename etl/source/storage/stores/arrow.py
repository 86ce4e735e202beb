"""Remote files through Arrow's own file systems."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from etl.source.storage.store import Found
from etl.source.storage.uri import Uri
from etl.units import MIB

SCHEMES = ("s3", "gs", "gcs", "hdfs")

_READ_BYTES = 8 * MIB
"""Every read of an S3 object is a request of its own, so a small one would be mostly waiting."""

_GS_RETRY = "retry_limit_seconds=60"
"""Google's client tries again for 15 minutes where nobody says otherwise."""


def open(uri: Uri) -> ArrowStore:
    """Open the file system of a URI. Raises what pyarrow raises."""
    return ArrowStore(uri)


class ArrowStore:
    """A Store (``etl/source/storage/store.py``)."""

    def __init__(self, uri: Uri) -> None:
        from pyarrow import fs

        self._fs: Any = fs
        self._buckets = uri.scheme != "hdfs"
        place = uri.at("").secret_text
        if uri.scheme in ("gs", "gcs") and "retry_limit_seconds=" not in uri.query:
            place += ("&" if uri.query else "?") + _GS_RETRY
        self._system, _ = fs.FileSystem.from_uri(place)

    def path_of(self, uri: Uri) -> str:
        path = unquote(uri.path).rstrip("/")
        return f"{uri.host}{path}" if self._buckets else path or "/"

    def uri_of(self, path: str, uri: Uri) -> Uri:
        if self._buckets:
            path = path.removeprefix(uri.host)
        return uri.at(path.replace("%", "%25").replace("?", "%3F"))

    def info(self, path: str) -> Found | None:
        info = self._system.get_file_info(path)
        return None if info.type == self._fs.FileType.NotFound else self._found(info)

    def below(self, folder: str) -> list[Found]:
        start = len(folder.rstrip("/")) + 1
        return [
            found
            for found in self._list(folder, recursive=True)
            if not any(name.startswith((".", "_")) for name in found.path[start:].split("/"))
        ]

    def glob(self, pattern: str) -> list[Found]:
        fixed = re.split(r"[*\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
        deep = "/" in pattern[len(fixed) + 1 :]
        matches = glob_pattern(pattern).fullmatch
        return [found for found in self._list(fixed, recursive=deep) if matches(found.path)]

    def open_stream(self, found: Found) -> Any:
        return self._system.open_input_stream(found.path, compression=None, buffer_size=_READ_BYTES)

    def open_random(self, found: Found) -> Any:
        return self._system.open_input_file(found.path)

    def put(self, local: str, path: str) -> None:
        # Written in one go: whoever closes a stream after an error would leave a part of the file.
        with self._fs.LocalFileSystem().open_input_stream(local) as source:
            target = self._system.open_output_stream(path, compression=None)
            while data := source.read(_READ_BYTES):
                target.write(data)
            target.close()

    def _list(self, folder: str, *, recursive: bool) -> list[Found]:
        infos = self._system.get_file_info(self._fs.FileSelector(folder, recursive=recursive))
        return [found for found in map(self._found, infos) if not found.folder]

    def _found(self, info: Any) -> Found:
        folder = info.type == self._fs.FileType.Directory
        # In whole seconds: some servers tell more of it in a list than of the file itself.
        stamp = "" if info.mtime_ns is None else str(info.mtime_ns // 10**9)
        return Found(info.path, None if folder else info.size, stamp, folder)


_GLOB = re.compile(
    r"(?P<deep>(?<![^/])\*\*/)|(?P<any>\*\*)|(?P<name>(?<![^/])\*)|(?P<star>\*)|\[(?P<set>[^]/]+)\]"
)
_GLOB_PARTS = {
    "deep": r"(?:(?!\.)[^/]+/)*",
    "any": r".*",
    "name": r"(?!\.)[^/]*",
    "star": r"[^/]*",
}


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """Translate a glob: ``*`` within a name, ``**/`` any folders, ``[a-c]``, ``[!x]``; hidden names out."""
    parts: list[str] = []
    at = 0
    for found in _GLOB.finditer(pattern):
        parts.append(re.escape(pattern[at : found.start()]))
        kind = found.lastgroup or ""
        if kind == "set":
            members = found["set"].replace("\\", r"\\").replace("[", r"\[")
            parts.append(f"[^/{members[1:]}]" if members.startswith("!") else f"[{members}]")
        else:
            parts.append(_GLOB_PARTS[kind])
        at = found.end()
    parts.append(re.escape(pattern[at:]))
    return re.compile("".join(parts), re.DOTALL)
