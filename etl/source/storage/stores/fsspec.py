"""Remote files through fsspec: ``http://`` and ``https://``, and every scheme that it has a library for."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from etl.errors import MissingExtraError, UsageError
from etl.source.storage.store import Found
from etl.source.storage.uri import Uri, parse_uri

SCHEMES = ("http", "https")
"""Beside these it is asked for every scheme that no other store is for: ``DEFAULT`` in ``remote.py``."""

_EXTRA = "pip install 'redis-etl[remote]'"

_ANSWER_S = 60.0
"""How long a server may say nothing. (fsspec's own limit is five minutes for the whole file, however big.)"""

_STAMPS = ("ETag", "etag", "Last-Modified", "last_modified", "LastModified", "mtime", "modified", "created")

_URL_SAFE = "%/:=&?~#+!$,;'@()*[]|"


def open(uri: Uri) -> FsspecStore:
    """Open the file system of a URI. Raises MissingExtraError, UsageError and what fsspec raises."""
    return FsspecStore(uri)


class FsspecStore:
    """A Store (``etl/source/storage/store.py``)."""

    def __init__(self, uri: Uri) -> None:
        self._http = uri.scheme in SCHEMES
        try:
            from fsspec.core import url_to_fs

            options = _http_options() if self._http else {}
        except ImportError:
            raise MissingExtraError(f"{uri.scheme}:// needs two libraries more: {_EXTRA}") from None
        try:
            self._system, _ = url_to_fs(uri.secret_text, **options)
        except ImportError as error:
            raise MissingExtraError(f"{uri.scheme}:// needs a library more: {error}") from None
        except ValueError:
            raise UsageError(f"{uri.scheme}:// is not known to any library here") from None

    def path_of(self, uri: Uri) -> str:
        if self._http:
            return quote(uri.secret_text.partition("#")[0], safe=_URL_SAFE)
        path: str = self._system._strip_protocol(uri.secret_text)
        return path

    def uri_of(self, path: str, uri: Uri) -> Uri:
        if self._http:
            return uri.at(parse_uri(path).path)
        path = path.lstrip("/").removeprefix(f"{uri.host}/")
        return uri.at(f"/{path}")

    def info(self, path: str) -> Found | None:
        if self._http and _has_magic(path):
            return None
        try:
            info = self._system.info(path)
        except FileNotFoundError:
            if self._http:  # it tells everything that goes wrong in this way; the cause says what it was
                raise
            return None
        if self._http and path.partition("?")[0].endswith("/") and self._system.isdir(path):
            return Found(path, None, folder=True)
        return _found(info)

    def below(self, folder: str) -> list[Found]:
        start = len(folder.rstrip("/")) + 1
        return [
            Found(path, None)
            for path in self._system.find(folder)
            if not any(name.startswith((".", "_")) for name in path[start:].split("/"))
        ]

    def glob(self, pattern: str) -> list[Found]:
        infos = self._system.glob(pattern, detail=True).values()
        return [Found(info["name"], None) for info in infos if info["type"] == "file"]

    def open_stream(self, found: Found) -> Any:
        if self._http:  # one request for the whole file
            return self._system.open(found.path, "rb", block_size=0, size=found.nbytes)
        return self._system.open(found.path, "rb")

    def open_random(self, found: Found) -> Any:
        return self._system.open(found.path, "rb", **({"size": found.nbytes} if self._http else {}))

    def put(self, local: str, path: str) -> None:
        self._system.put_file(local, path)


def _found(info: dict[str, Any]) -> Found:
    stamp = next((str(info[name]) for name in _STAMPS if info.get(name)), "")
    return Found(info["name"], info.get("size"), stamp, folder=info.get("type") == "directory")


def _has_magic(url: str) -> bool:
    path = url.partition("?")[0]
    return "*" in path or "[" in path


def _http_options() -> dict[str, Any]:
    import aiohttp

    return {
        "encoded": True,  # a signature holds for the URL as it was signed, quoting included
        "client_kwargs": {
            "auto_decompress": False,  # the file's own bytes: they are what its size counts
            "headers": {"Accept-Encoding": "identity"},
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_ANSWER_S, sock_read=_ANSWER_S),
            "trust_env": True,
        },
    }
