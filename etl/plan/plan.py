"""What a run is going to do, decided before the first record is read.

A plan is frozen and picklable: a Process, another machine and the calling process itself carry out the
same plan, each its own shard. The contracts that it is made of stand beside it (``source``, ``encoder``,
``target``); their members live in ``source/``, ``encode/`` and ``sink/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from etl.plan.batch import Reject
from etl.plan.block import BLOCK_BYTES, Block, owner
from etl.plan.encoder import Encoder
from etl.plan.projection import Projection
from etl.plan.source import Source
from etl.plan.target import Target
from etl.rate import Rate
from etl.report import Example, RejectLimit

if TYPE_CHECKING:
    from etl.plan.marks import CheckpointWriter, Completed
    from etl.plan.presence import WorkerPresence


class RejectSink(Protocol):
    """Where the records go that were refused. Frozen, picklable."""

    def write(self, rejects: list[Reject]) -> None:
        """Write rejects down. Raises EtlError when that fails."""

    def for_attempt(self, number: int) -> RejectSink:
        """Return the same for the workers of a later attempt, which may refuse what was refused before."""


class DifferenceSink(Protocol):
    """Where all differences go that a verify finds, in full. Frozen, picklable."""

    def write(self, differences: Sequence[Example]) -> None:
        """Write differences down. Raises EtlError when that fails."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker must know.

    ``single`` encodes the records of a merged command that was refused, one command a record. ``blocks`` is
    None for a stream, whose blocks come one by one, cut by ``block_bytes``. A ``preliminary`` plan is a pass
    over the keys before the load: records that cannot be parsed or encoded are left to the load.

    ``marks`` says where checkpoints are written (None: nowhere), ``done`` what earlier ones say of a stream's
    blocks. ``last_wins``: of records with the same key the last one is to be there at the end. ``by_slot``:
    the encoder puts records of one hash slot of a cluster into one command.
    ``fenced``: no command may be applied twice; with ``skips`` a record is skipped whose key is there.
    ``presence`` is where workers show that they are there. ``replicas`` have to have the data before a
    checkpoint says so. ``rate`` bounds what all workers together send; one without progress for ``stall_s``
    seconds is ended.
    """

    source: Source
    projection: Projection
    target: Target
    encoder: Encoder
    single: Encoder
    blocks: tuple[Block, ...] | None
    workers: int
    split: str
    progress: str
    reject_limit: RejectLimit
    rejects: RejectSink | None
    preliminary: bool = False
    block_bytes: int = BLOCK_BYTES
    marks: CheckpointWriter | None = None
    done: Completed | None = None
    stall_s: float | None = None
    fenced: bool = False
    skips: bool = False
    presence: WorkerPresence | None = None
    replicas: int = 0
    rate: Rate | None = None
    differences: DifferenceSink | None = None
    last_wins: bool = False
    by_slot: bool = False

    def shard(self, worker: int) -> tuple[Block, ...]:
        """Return the blocks that worker ``worker`` visits.

        ``--split block``: those whose number modulo ``workers`` is ``worker``. ``--split record``: all.
        """
        blocks = self.blocks or ()
        if self.split == "record":
            return blocks
        return tuple(block for block in blocks if owner(block, self.workers) == worker)

    def for_worker(self, worker: int) -> Plan:
        """Return the same plan with one worker's blocks only, which is what travels to that worker."""
        return self if self.blocks is None else replace(self, blocks=self.shard(worker))

    def records(self) -> int | None:
        """Return how many records the blocks have; None where that was not counted."""
        counts = [block.records for block in self.blocks] if self.blocks is not None else [None]
        return None if None in counts else sum(count or 0 for count in counts)

    def busy_workers(self) -> int:
        """Return the number of workers up to the last one that has anything to do."""
        if self.blocks is None:
            return self.workers
        if self.split == "record":
            return self.workers if self.blocks else 0
        return max((owner(block, self.workers) + 1 for block in self.blocks), default=0)
