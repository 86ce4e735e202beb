"""What a target on this machine is spared: servers that change, connections that break, nodes, slots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NoReturn, TypeVar

from etl.plan import RoutedSession, StopFlag
from etl.sink.session.backoff import Backoff

Self = TypeVar("Self", bound="LocalTarget")


class LocalTarget(ABC):
    """The part of a Target (``etl/plan/target.py``) that is about servers, where there is none.

    A class of it has ``name`` and ``connect_reconnecting``, whose sessions answer at once.
    """

    __slots__ = ()

    takes: ClassVar[frozenset[str]] = frozenset()
    embedded: ClassVar[bool] = True
    clustered: ClassVar[bool] = False
    slot: ClassVar[None] = None

    @property
    @abstractmethod
    def name(self) -> str: ...

    def __str__(self) -> str:
        return self.name

    def first_slots(self) -> tuple[None]:
        return (None,)

    def primaries(self: Self) -> tuple[Self, ...]:
        return (self,)

    def holding(self: Self, key: bytes) -> Self:
        return self

    def identify(
        self: Self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> Self:
        return self

    def connect(self, client_name: str) -> NoReturn:
        raise TypeError(f"{self} is no server: no command can be sent to it")

    def connect_routed(self, client_name: str, stop: StopFlag) -> RoutedSession | None:
        return None

    def bounded(self: Self, records: int | None, nbytes: int | None) -> Self:
        return self

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(0.0, stop)
