"""Remote files: found, opened, and their errors put into sentences without secrets.

The stores of ``stores/`` say which schemes they are for, and every other is fsspec's. Credentials come from
where those look for them (environment, profiles, the URI's user and password); options such as
``endpoint_override`` stand in the URI's query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etl.errors import EtlError, SourceError
from etl.registry import Shelf
from etl.source.storage.compression import ByteStream, closing_on_error, sniffed, split_name
from etl.source.storage.local import digest
from etl.source.storage.store import Found, Store
from etl.source.storage.uri import Uri, parse_uri

STORES = Shelf("etl.source.storage.stores", "store")
DEFAULT = "fsspec"
"""The store of every scheme that none has named."""

_MOST_DETAIL = 300
_MAGIC = frozenset("*[")


def open_store(uri: Uri) -> Store:
    """Open the file system of a URI. Raises MissingExtraError, UsageError and SourceError."""
    chosen = STORES.member(DEFAULT)
    for _, member in STORES.members():
        if uri.scheme in member.SCHEMES:
            chosen = member
            break
    with explaining(uri):
        store: Store = chosen.open(uri)
    return store


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A remote file as it was when it was found (an Input of a stream). Its ``repr`` shows no secret."""

    uri: Uri
    nbytes: int | None
    stamp: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return str(self.uri)

    @property
    def identity(self) -> str:
        # ``download?id=1`` is not ``download?id=2``, but what stands there may be a secret.
        query = self.uri.query
        return f"{self.uri}?{hashlib.sha256(query.encode()).hexdigest()[:16]}" if query else str(self.uri)

    @property
    def fingerprint(self) -> str | None:
        return digest((self.identity, str(self.nbytes), self.stamp)) if self.stamp else None

    def open(self) -> ByteStream:
        raw = RemoteBytes(self)
        codec = split_name(self.name)[1]
        return sniffed(raw, self.name) if codec is None else closing_on_error(raw, codec, self.name)

    def release(self, stream: ByteStream, head: bytes) -> None:
        stream.close()

    def verify_unchanged(self) -> None:
        store = open_store(self.uri)
        with explaining(self.uri):
            found = store.info(store.path_of(self.uri))
        if found is None:
            raise SourceError(f"{self.name} went away while it was read")
        if (found.nbytes, found.stamp) != (self.nbytes, self.stamp):
            raise _changed(self)


def find_remote(source: str) -> tuple[RemoteFile, ...]:
    """Find the files that a remote URI, a glob or a folder names, sorted by path.

    A folder means every file below it, hidden ones (``.`` or ``_`` in front) left out. Raises SourceError
    where there are none, or the server cannot be reached or refuses.
    """
    uri = parse_uri(source)
    store = open_store(uri)
    path = store.path_of(uri)
    with explaining(uri):
        found = store.info(path)
        if found is not None and not found.folder:
            return (RemoteFile(uri, found.nbytes, found.stamp),)
        if found is not None:
            several = store.below(path)
        elif _MAGIC.intersection(path):
            several = store.glob(path)
        else:
            raise SourceError(f"there is nothing at {uri}")
    if not several:
        what = "no file matches" if found is None else "there are no files (hidden ones are left out) below"
        raise SourceError(f"{what} {uri}")
    several.sort(key=lambda file: file.path)
    return tuple(_listed(store, file, store.uri_of(file.path, uri)) for file in several)


def _listed(store: Store, found: Found, uri: Uri) -> RemoteFile:
    """Look again at a file of a list that tells names only, or not the same as a look at the file does."""
    if found.nbytes is None:
        with explaining(uri):
            found = store.info(store.path_of(uri)) or found
    return RemoteFile(uri, found.nbytes, found.stamp)


def open_remote(file: RemoteFile) -> tuple[pa.NativeFile, int]:
    """Open a remote file for reading anywhere in it; give it and its size. Raises SourceError.

    For formats that are not read as streams (Parquet, Arrow). Closing the file is the caller's.
    """
    if file.nbytes is None:
        raise SourceError(
            f"the server does not tell the size of {file.name}, which this format needs: download it first"
        )
    store = open_store(file.uri)
    with explaining(file.uri):
        opened = store.open_random(Found(store.path_of(file.uri), file.nbytes, file.stamp))
    if not isinstance(opened, pa.NativeFile):
        opened = pa.PythonFile(_Explained(opened, file.uri), mode="r")
    return opened, file.nbytes


class RemoteBytes:
    """A remote file's bytes, from one end to the other; fewer or more than its size are an error."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self.consumed = 0
        store = open_store(file.uri)
        with explaining(file.uri):
            self._opened = store.open_stream(Found(store.path_of(file.uri), file.nbytes, file.stamp))

    def read(self, nbytes: int) -> bytes:
        with explaining(self._file.uri, at=self.consumed):
            data: bytes = self._opened.read(nbytes)
        self.consumed += len(data)
        size = self._file.nbytes
        if size is not None and (self.consumed > size or (not data and self.consumed < size)):
            raise _changed(self._file)
        return data

    def close(self) -> None:
        with explaining(self._file.uri):
            self._opened.close()


class _Explained:
    """A file object that can seek, whose errors are sentences."""

    def __init__(self, opened: Any, uri: Uri) -> None:
        self._opened = opened
        self._uri = uri
        self.seek = opened.seek
        self.tell = opened.tell
        self.close = opened.close

    @property
    def closed(self) -> bool:
        return bool(self._opened.closed)

    def read(self, nbytes: int) -> bytes:
        with explaining(self._uri, at=self._opened.tell()):
            data: bytes = self._opened.read(nbytes)
        return data


@contextmanager
def explaining(uri: Uri, *, at: int | None = None) -> Iterator[None]:
    """Turn whatever a file system's library raises into a SourceError that names ``uri``, without secrets."""
    try:
        yield
    except EtlError:
        raise
    except Exception as error:  # noqa: BLE001 - which types a file system raises is known to nobody
        where = "" if at is None else f" at byte {at:,}"
        raise SourceError(f"cannot read {uri}{where}: {reason_of(error, uri)}") from None


def reason_of(error: Exception, uri: Uri) -> str:
    """Return why a library could not do something, in words without the URI's secrets."""
    for raised in (error, error.__cause__):
        status = getattr(raised, "status", None)
        if isinstance(status, int):
            return _status(status)
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    if isinstance(cause, FileNotFoundError):
        return "there is nothing there"
    if isinstance(cause, TimeoutError):
        return "the server does not answer in time"
    if type(cause).__name__ == "ClientPayloadError":  # aiohttp's, which need not be there
        return "the connection ended before the file did"
    text = uri.scrub(str(cause)).strip().partition("\n")[0]
    if len(text) > _MOST_DETAIL:
        text = text[:_MOST_DETAIL] + "..."
    return text or type(cause).__name__


def _status(status: int) -> str:
    if status in (404, 410):
        return f"there is nothing there (HTTP status {status})"
    if status in (401, 403, 407):
        return f"the server refuses it (HTTP status {status}): are the credentials right, and not expired?"
    return f"the server answers with HTTP status {status}"


def _changed(file: RemoteFile) -> SourceError:
    return SourceError(f"{file.name} changed while it was read: load it again when nobody writes to it")
