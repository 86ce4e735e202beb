"""Checkpoints: how far each worker is, a hash field each of the job in the target Redis. Pure.

A checkpoint is written after the replies to what it is about, on the same connection, so it never says more
than is true. A run that resumes asks all checkpoints together what is left of a block; so the number of
workers and the split may change from run to run, and a worker that died may be started again.

What is read back is believed only with its check (NOTE(check) in ``etl/encode/fence.py``), within bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

from etl.plan.block import Block, Share
from etl.plan.error_reply import KEY_EXISTS
from etl.plan.seal import seal, unseal
from etl.plan.wire import Wire

PREFIX = b"mark:"

COUNTS = ("records_read", "records_written", "records_skipped", "records_rejected", "bytes_done")
"""What a checkpoint counts, in this order (counters of ``etl/report/counters.py``)."""

MAX_SHARES = 1 << 16
_MOST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a worker has done in one attempt, from its start to its end.

    ``token`` is the run's, so that a late worker of an earlier run changes no checkpoint of this one.

    The worker has done its records (all, or with ``split`` "record" every ``workers``-th) of the blocks up to
    ``block`` (-1: none), and those of the block ``partial`` (-1: none) whose number is under ``below``.
    ``counts`` are COUNTS of these records. ``refused`` are the records among them that a fenced command
    was refused for, and the server's errors, which may not have been read (see ``etl/encode/fence.py``).
    """

    attempt: int
    worker: int
    workers: int
    split: str
    block: int = -1
    partial: int = -1
    below: int = 0
    counts: tuple[int, ...] = (0,) * len(COUNTS)
    refused: tuple[tuple[int, str], ...] = ()
    token: str = ""

    @property
    def field(self) -> bytes:
        return mark_field(self.attempt, self.worker, self.token)

    @property
    def position(self) -> bytes:
        """Return the part of the value that tells this position from every other."""
        numbers = (self.workers, self.split.encode(), self.block, self.partial, self.below)
        return b"%d %b %d %d %d" % numbers

    @property
    def counts_line(self) -> bytes:
        return b" ".join(b"%d" % count for count in self.counts)

    @property
    def value(self) -> bytes:
        return seal(self.field, b"%b\n%b" % (self.position, self.counts_line))

    @property
    def share(self) -> Share:
        """Return which records of a block are the worker's."""
        return Share(1, 0) if self.split == "block" else Share(self.workers, self.worker)


def mark_field(attempt: int, worker: int, token: str) -> bytes:
    """Return the field of a worker's checkpoint."""
    return b"%b%d:%d:%b" % (PREFIX, attempt, worker, token.encode())


def parse_checkpoint(field: bytes, value: bytes) -> Checkpoint:
    """Read a checkpoint. Raises ValueError for what is none."""
    attempt, worker, token = field.removeprefix(PREFIX).split(b":")
    position, counts, *fenced = unseal(field, value).split(b"\n", 3)
    workers, split, block, partial, below = position.split(b" ")
    if split not in (b"block", b"record"):
        raise ValueError("no such split")
    mark = Checkpoint(
        attempt=number_in(attempt, 0),
        worker=number_in(worker, 0, int(workers) - 1),
        workers=number_in(workers, 1, MAX_SHARES),
        split=split.decode(),
        block=number_in(block, -1),
        partial=number_in(partial, -1),
        below=number_in(below, 0),
        counts=tuple(number_in(count, 0) for count in counts.split(b" ")),
        token=token.decode(),
    )
    if len(mark.counts) != len(COUNTS):
        raise ValueError("it counts something else")
    return _with_last_piece(mark, *fenced) if fenced else mark


def number_in(text: bytes | str, least: int, most: int = _MOST) -> int:
    """Read a number that has bounds. Raises ValueError for any other."""
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number} is not from {least} to {most}")
    return number


def about_line(wire: Wire, numbers: pa.Array, *, skips: bool = False) -> bytes:
    """Return which records the commands of a fenced piece are about, for ``parse_checkpoint``.

    So many commands a group, where the groups end, the numbers of the records, and what becomes of one whose
    key is there: it is skipped, or refused.
    """
    per_record = isinstance(wire.boundaries, range)
    ends = "" if per_record else ",".join(str(end) for end in wire.boundaries[1:])
    policy = "skip" if skips else "refuse"
    return f"{wire.commands_per_group} {ends} {_runs(numbers.to_pylist())} {policy}".encode()


def _runs(numbers: list[int]) -> str:
    """Write numbers as ``10-20,22``, which is short where they follow one another."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in runs)


def _with_last_piece(mark: Checkpoint, about: bytes, said: bytes) -> Checkpoint:
    """Add what the last fenced piece did: ``counts`` are those from before it."""
    per_group, ends, runs, policy = about.decode().split(" ")
    numbers = _numbers(runs)
    bounds = [0, *map(int, ends.split(","))] if ends else range(len(numbers) + 1)
    refused: dict[int, str] = {}
    skipped: set[int] = set()
    for command, text in read_errors(said):
        group = number_in(str(command // number_in(per_group, 1)), 0, len(bounds) - 2)
        there = not text or text.startswith(KEY_EXISTS)
        for number in numbers[bounds[group] : bounds[group + 1]]:
            if there and policy == "skip":
                skipped.add(number)
            else:
                refused.setdefault(number, "its key exists" if there else text)
    counts = dict(zip(COUNTS, mark.counts, strict=True))
    counts["records_read"] += len(numbers)
    counts["records_written"] += len(numbers) - len(refused) - len(skipped)
    counts["records_skipped"] += len(skipped)
    counts["records_rejected"] += len(refused)
    return replace(mark, counts=tuple(counts.values()), refused=tuple(refused.items()))


def _numbers(runs: str) -> list[int]:
    """Read what ``_runs`` has written: at most as many numbers as one fenced piece has."""
    numbers: list[int] = []
    for run in runs.split(","):
        first, _, last = run.partition("-")
        start = number_in(first, 0)
        stop = 1 + number_in(last or first, start, start + FENCE_RECORDS - len(numbers) - 1)
        numbers += range(start, stop)
    return numbers


@dataclass(frozen=True, slots=True)
class CheckpointWriter:
    """Where workers write their checkpoints: the job's key, the number of the attempt, and the run.

    ``token`` is that of their checkpoints. ``may_vanish``: the server may evict the job's state
    like any other key, and the run does not mind.

    ``in_journal``: they go into a file's journal (``journal.py``), and not to a server.

    In a cluster, ``node_keys`` are where its nodes keep theirs for the job ``job``, and ``repaired`` are the
    slots of which blocks of earlier attempts are sent once more (``node_checkpoints.py``).
    """

    key: bytes
    attempt: int
    run: bytes = b""
    may_vanish: bool = False
    token: str = ""
    job: bytes = b""
    node_keys: tuple[bytes, ...] = ()
    repaired: int = 0
    in_journal: bool = False

    def node_key(self, tag: bytes) -> bytes:
        """Return the key of the checkpoints at a node that has the slot of the hash tag ``tag``."""
        return node_key(self.job, tag)

    def node_field(self, key: bytes) -> bytes:
        """Return the field of the job's state that lists the key of a node's checkpoints."""
        return NODE_PREFIX + key


NODE_PREFIX = b"node:"


def node_key(job: bytes, tag: bytes) -> bytes:
    """Return the key in which a node of a cluster keeps the checkpoints of a job, in the slot of ``tag``."""
    return b"etl:{%b}:checkpoints:%b" % (tag, job)


class Completed:
    """What checkpoints say together."""

    def __init__(self, marks: Iterable[Checkpoint]) -> None:
        self.marks = tuple(marks)
        self._attempts: dict[tuple[int, int, str], dict[int, Checkpoint]] = {}
        for mark in self.marks:
            self._attempts.setdefault((mark.attempt, mark.workers, mark.split), {})[mark.worker] = mark

    def counts(self) -> dict[str, int]:
        """Add up what was counted, by counter."""
        return {name: sum(mark.counts[place] for mark in self.marks) for place, name in enumerate(COUNTS)}

    def left(self, block: Block) -> Block | None:
        """Return what is left of a block: None for nothing, else the block with its completed shares."""
        completed: list[Share] = []
        for (_, workers, split), attempt in self._attempts.items():
            worker = block.number % workers
            owners = attempt.values() if split == "record" else [attempt[worker]] if worker in attempt else []
            completed += filter(None, (_completed(mark, block.number) for mark in owners))
        if not completed:
            return block
        whole: dict[int, set[int]] = {}
        for share in completed:
            if share.below is None:
                whole.setdefault(share.workers, set()).add(share.worker)
        if any(len(shares) == workers for workers, shares in whole.items()):
            return None
        return replace(block, completed=tuple(completed))


def _completed(mark: Checkpoint, number: int) -> Share | None:
    if number <= mark.block:
        return mark.share
    return replace(mark.share, below=mark.below) if number == mark.partial else None


FENCE_RECORDS = 5_000
"""Records of one fenced piece: 5 to 30 ms of the server's time, in which it serves no other client."""


def read_errors(said: bytes) -> list[tuple[int, str]]:
    """Read the commands that were not answered well: their numbers, and their errors (nil: an empty one)."""
    lines = said.decode("utf-8", "replace").split("\n") if said else []
    return [(int(number), text) for number, _, text in (line.partition(" ") for line in lines)]
