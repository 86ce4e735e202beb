"""What parent and worker say to each other over their Pipe: few and small, all frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import EtlError

if TYPE_CHECKING:
    from etl.plan import Block, Gathered
    from etl.report import Example


@dataclass(frozen=True, slots=True)
class Stop:
    """Parent to worker: end after what is in flight. To a worker that has ended its shard: you may go."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Parent to worker: the next block of a stream; None: there are no more."""

    block: Block | None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """Worker to parent: I have begun another block of the stream, there is room for one more."""

    worker: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Worker to parent: my shard is done, or I was told to stop and everything in flight is answered.

    ``present`` has, by block number, a bit for each record whose key was there before the run.
    ``gathered`` is what verdicts of this worker had gathered. ``nodes`` are the records that each node of a
    cluster has answered for.
    """

    worker: int
    seconds: float
    examples: tuple[Example, ...] = ()
    present: dict[int, bytes] = field(default_factory=dict)
    gathered: Gathered | None = None
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to parent: I cannot go on, and this is why."""

    worker: int
    seconds: float
    error: EtlError


ShardResult = Finished | Failed
