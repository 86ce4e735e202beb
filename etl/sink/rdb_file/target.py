"""RDB files as a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

import pyarrow as pa

from etl.plan import StopFlag
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.session import FileSession, ShardedSession
from etl.sink.rdb_file.upload import Upload
from etl.sink.session.backoff import Backoff


@dataclass(frozen=True, slots=True)
class RdbFileTarget:
    """A Target (``etl/plan/target.py``) that is a file, or one a shard; ``name`` is that of ``--to``.

    ``version`` is that of the RDB format. ``shard_of`` (uint16) is the shard of each of a cluster's slots;
    None where there is one file. ``append_only``: the file becomes the base of an append-only file.
    ``expire``: all keys have an expiry, else none has. ``mode`` is that of a new file, less the umask. With
    ``keeps_record`` the job's record becomes a key of it. ``notice`` says what each file is for, and
    ``uploads`` where it is copied to. Nothing is asked of a file: whoever builds it has it alone.
    """

    name: str
    paths: Paths
    version: int
    shard_of: pa.Array | None = field(default=None, compare=False)
    append_only: bool = False
    expire: bool = False
    mode: int = 0o666
    keeps_record: bool = False
    notice: str = ""
    uploads: tuple[Upload, ...] = ()

    takes: ClassVar[frozenset[str]] = frozenset()
    embedded: ClassVar[bool] = True
    clustered: ClassVar[bool] = False
    slot: ClassVar[None] = None

    def __str__(self) -> str:
        return self.name

    def first_slots(self) -> tuple[None]:
        return (None,)

    def primaries(self) -> tuple[RdbFileTarget, ...]:
        return (self,)

    def holding(self, key: bytes) -> RdbFileTarget:
        return self

    def identify(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> RdbFileTarget:
        return self

    def connect(self, client_name: str) -> NoReturn:
        raise TypeError(f"{self} is a file: no command can be sent to it")

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> FileSession:
        return FileSession(self.paths, expire=self.expire)

    def connect_routed(self, client_name: str, stop: StopFlag) -> ShardedSession | None:
        return (
            None if self.shard_of is None else ShardedSession(self.paths, self.shard_of, expire=self.expire)
        )

    def bounded(self, records: int | None, nbytes: int | None) -> RdbFileTarget:
        return self

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(0.0, stop)
