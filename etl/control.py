"""What parent and worker say to each other over their Pipe: few and small, all frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import EtlError

if TYPE_CHECKING:
    from etl.report import Example


@dataclass(frozen=True, slots=True)
class Stop:
    """Parent to worker: end after what is in flight. To a worker that has ended its shard: you may go."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Worker to parent: my shard is done, or I was told to stop and everything in flight is answered."""

    worker: int
    seconds: float
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to parent: I cannot go on, and this is why."""

    worker: int
    seconds: float
    error: EtlError


Message = Finished | Failed
