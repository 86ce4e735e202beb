"""Checkpoints of a worker at each node of a cluster: what that node has of the worker's blocks. Pure.

A checkpoint must lie in the same replication stream as the data that it speaks of. The one in the job's
state lies at one node only: another one may be replaced by its replica, which never got some of what its
primary has answered for. So each primary keeps, in a key in one of its own slots, how far it is; that is
written after the data, on the same connection, and before the job's state says so.

NOTE(belief): it is believed for the slots that it names, that its node (or the replica that has taken that
one's place, which tells so by its replication streams) serves now. Slots that came from elsewhere since are
not: they took their keys along, but nothing shows that what was lost meanwhile was not theirs.

NOTE(repair): what the job's state says was done and no node's checkpoint confirms is sent once more
(``Block.repair``), and not counted again. The first checkpoints of an attempt are written when what the
attempts before it have done was confirmed, but for the slots that are ``repaired`` in this attempt: so those
of the last attempt are all that has to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etl.plan.block import Block
from etl.plan.marks import Completed, number_in
from etl.plan.seal import seal, unseal

SLOTS = 16_384
ALL_SLOTS = (1 << SLOTS) - 1
"""A set of slots is a number, with the bit of each slot in it."""

Ranges = Sequence[tuple[int, int]]


def slot_set(ranges: Ranges) -> int:
    """Return a set of slots, given as ranges from first to last."""
    return sum(((1 << (last + 1 - first)) - 1) << first for first, last in ranges)


def slot_ranges(slots: int) -> list[tuple[int, int]]:
    """Return the ranges of a set of slots, in ascending order."""
    ranges: list[tuple[int, int]] = []
    first = 0
    while slots:
        gap = (slots & -slots).bit_length() - 1
        slots >>= gap
        first += gap
        length = (~slots & (slots + 1)).bit_length() - 1
        ranges.append((first, first + length - 1))
        slots >>= length
        first += length
    return ranges


def slot_bits(slots: int) -> bytes:
    """Return a set of slots as bits, the lowest first (Arrow's ``bool``)."""
    return slots.to_bytes(SLOTS // 8, "little")


@dataclass(frozen=True, slots=True)
class NodeCheckpoint:
    """What a node has of what a worker did in an attempt: the records of ``slots`` in blocks up to ``block``.

    ``node`` is the node's name in the cluster, ``stream`` its replication stream. ``repaired`` are the slots
    of which blocks of earlier attempts were sent once more in this attempt.
    """

    attempt: int
    worker: int
    token: str
    slots: int
    block: int = -1
    repaired: int = 0
    node: bytes = b""
    stream: bytes = b""

    @property
    def field(self) -> bytes:
        return node_field(self.attempt, self.worker, self.token)

    @property
    def value(self) -> bytes:
        lines = (
            b"%d" % self.block,
            _written(self.slots),
            _written(self.repaired),
            self.node,
            self.stream,
        )
        return seal(self.field, b"\n".join(lines))


def node_field(attempt: int, worker: int, token: str) -> bytes:
    """Return the field of a worker's checkpoint at a node."""
    return b"%d:%d:%b" % (attempt, worker, token.encode())


def parse_node_checkpoint(field: bytes, value: bytes) -> NodeCheckpoint:
    """Read a node's checkpoint. Raises ValueError for what is none."""
    attempt, worker, token = field.split(b":")
    block, slots, repaired, node, stream = unseal(field, value).split(b"\n")
    return NodeCheckpoint(
        number_in(attempt, 0),
        number_in(worker, 0),
        token.decode(),
        _read(slots),
        number_in(block, -1),
        _read(repaired),
        node,
        stream,
    )


def _written(slots: int) -> bytes:
    return ",".join(f"{first}-{last}" for first, last in slot_ranges(slots)).encode()


def _read(text: bytes) -> int:
    ranges = [run.split(b"-") for run in text.split(b",")] if text else []
    return slot_set(
        [(number_in(first, 0, SLOTS - 1), number_in(last, 0, SLOTS - 1)) for first, last in ranges]
    )


class Confirmed:
    """What nodes confirm of blocks that were done, by the believed checkpoints of the last attempt.

    ``attempt`` is that attempt's number, ``workers`` and ``split`` its own; ``done`` is what the job's state
    says.
    """

    def __init__(
        self, checkpoints: Iterable[NodeCheckpoint], done: Completed, attempt: int, workers: int, split: str
    ) -> None:
        self._workers = workers
        self._every_worker = split == "record"
        self._of: list[list[NodeCheckpoint]] = [[] for _ in range(workers)]
        for checkpoint in checkpoints:
            self._of[checkpoint.worker].append(checkpoint)
        self._before = Completed(mark for mark in done.marks if mark.attempt < attempt)

    @property
    def everywhere(self) -> bool:
        """Return True if each slot has a checkpoint of each worker, whatever it says."""
        return all(_union(checkpoint.slots for checkpoint in own) == ALL_SLOTS for own in self._of)

    def missing(self, block: Block) -> int:
        """Return the slots of which a block that was done has to be sent once more, as a set."""
        touched = self._before.left(block)
        before = touched is None or bool(touched.completed)
        workers = range(self._workers) if self._every_worker else (block.number % self._workers,)
        missing = 0
        for worker in workers:
            confirmed = _union(
                checkpoint.slots
                if checkpoint.block >= block.number
                else checkpoint.slots & ~checkpoint.repaired
                if before
                else 0
                for checkpoint in self._of[worker]
            )
            missing |= ALL_SLOTS & ~confirmed
        return missing


def _union(sets: Iterable[int]) -> int:
    union = 0
    for one in sets:
        union |= one
    return union
