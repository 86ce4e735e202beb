"""RDB files as a target."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from etl.plan import StopFlag
from etl.sink.local_target import LocalTarget
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.session import FileSession, ShardedSession
from etl.sink.rdb_file.upload import Upload


@dataclass(frozen=True, slots=True)
class RdbFileTarget(LocalTarget):
    """A Target (``etl/plan/target.py``) that is a file, or one a shard.

    ``url`` is that of ``--to``, without secrets, ``version`` that of the RDB format. ``shard_of`` (uint16) is
    the shard of each of a cluster's slots; None where there is one file. ``append_only``: the file becomes
    the base of an append-only file. ``expire``: all keys have an expiry, else none has. ``mode`` is that of a
    new file, less the umask. With ``keeps_record`` the job's record becomes a key of it. ``notice`` says what
    each file is for, and ``uploads`` where it is copied to. Nothing is asked of a file: whoever builds it has
    it alone.
    """

    url: str
    paths: Paths
    version: int
    shard_of: pa.Array | None = field(default=None, compare=False)
    append_only: bool = False
    expire: bool = False
    mode: int = 0o666
    keeps_record: bool = False
    notice: str = ""
    uploads: tuple[Upload, ...] = ()

    @property
    def name(self) -> str:
        return self.url

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> FileSession:
        return FileSession(self.paths, expire=self.expire)

    def connect_routed(self, client_name: str, stop: StopFlag) -> ShardedSession | None:
        if self.shard_of is None:
            return None
        return ShardedSession(self.paths, self.shard_of, expire=self.expire)
