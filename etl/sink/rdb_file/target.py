"""An RDB file as a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from etl.plan import StopFlag
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.session import FileSession
from etl.sink.session.backoff import Backoff


@dataclass(frozen=True, slots=True)
class RdbFileTarget:
    """A Target (``etl/plan/target.py``) that is a file; ``version`` is that of the RDB format in it.

    Nothing is asked of it: whoever builds a file holds it alone, and knows what is in it.
    """

    paths: Paths
    version: int

    takes: ClassVar[frozenset[str]] = frozenset()
    embedded: ClassVar[bool] = True
    clustered: ClassVar[bool] = False
    slot: ClassVar[None] = None

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"rdb:{self.paths.file}"

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
        return FileSession(self.paths)

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def bounded(self, records: int | None, nbytes: int | None) -> RdbFileTarget:
        return self

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(0.0, stop)
