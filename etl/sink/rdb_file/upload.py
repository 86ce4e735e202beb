"""RDB files for another place: they are built on this machine, and copied there when they are complete."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from etl.errors import EtlError, TargetError
from etl.source.storage.remote import open_store, reason_of
from etl.source.storage.store import Found, Store
from etl.source.storage.uri import Uri


@dataclass(frozen=True, slots=True)
class Upload:
    """A file's place elsewhere (``s3://...``); its ``repr`` shows no secret."""

    uri: Uri

    @property
    def local(self) -> str:
        """Where the file is built: always the same path for a place, so that a run goes on."""
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        name = hashlib.sha256(str(self.uri).encode()).hexdigest()[:16]
        return os.path.join(cache, "redis-etl", name, os.path.basename(self.uri.path) or "dump.rdb")

    def head(self, nbytes: int) -> bytes:
        """Return how the file begins that is there already; empty where there is none. Raises TargetError."""
        store = self._store()
        path = store.path_of(self.uri)
        try:
            found = store.info(path)
            if found is None or found.folder:
                return b""
            stream = store.open_stream(Found(path, found.nbytes, found.stamp))
            try:
                head: bytes = stream.read(nbytes)
            finally:
                stream.close()
        except Exception as error:  # noqa: BLE001 - which types a library raises is unknown
            raise self._failure("read", error) from None
        return head

    def put(self, local: str) -> None:
        """Copy a complete file to its place. Raises TargetError."""
        store = self._store()
        try:
            store.put(local, store.path_of(self.uri))
        except Exception as error:  # noqa: BLE001 - as above
            whole = f"; the file is complete at {local}: copy it by hand, or run the same command again"
            raise self._failure("write", error, whole) from None

    def _store(self) -> Store:
        try:
            return open_store(self.uri)
        except EtlError as error:
            raise TargetError(str(error)) from None

    def _failure(self, what: str, error: Exception, then: str = "") -> TargetError:
        return TargetError(f"cannot {what} {self.uri}: {reason_of(error, self.uri)}{then}")
