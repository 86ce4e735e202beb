"""The record of a job, kept in the target itself, so that data and marks survive or vanish together.

What it holds, and how damage is told, stands in ``etl/job/fields.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from etl.errors import JobStateLostError, SourceError, TargetError, WrongTypeError
from etl.job.fields import (
    COMPLETE,
    INCOMPLETE,
    Attempt,
    DamagedError,
    Head,
    PrepassResult,
    present_words,
    read_done,
    read_head,
    read_passed,
)
from etl.job.nodes import JobNodes
from etl.job.presence import Presence
from etl.job.resume import left_unfinished
from etl.job.spec import JobSpec, ResumePoint, now
from etl.plan import (
    NODE_PREFIX,
    Checkpoint,
    CheckpointWriter,
    Completed,
    Confirmed,
    NodeCheckpoint,
    Target,
)
from etl.sink.control import ControlConnection

__all__ = ["Job", "JobSpec", "PrepassResult", "ResumePoint", "now"]

KEEP_S = 30 * 24 * 3600.0
"""How long the record of a finished job stays unless ``--keep-record`` says otherwise."""

_FIELDS_A_COMMAND = 512
_TRIES = 10

Anything = TypeVar("Anything")


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name, in its target; ``run`` is this run's token.

    Every method raises what ``control`` raises, and TargetError for a record that is damaged. ``may_vanish``:
    the server may evict the record. ``keep_s``: how long it stays once the job is finished; None: for ever.
    ``part`` is of a job that is loaded in shards the part that this one is, with a record and a lock of its
    own (``etl/job/shards.py``); empty for the job itself. ``nodes``: its checkpoints at the nodes of a
    cluster; ``tag``: the hash tag whose slot has all keys of the load, and so the record too.
    """

    name: str
    run: str
    control: ControlConnection
    may_vanish: bool = False
    keep_s: float | None = KEEP_S
    part: str = ""
    nodes: JobNodes | None = None
    tag: bytes | None = None
    presence: Presence = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "presence", Presence(self.token))

    @property
    def token(self) -> str:
        """Return the part of the run's token that tells it from all others."""
        return self.run.rpartition("/")[2]

    @property
    def target(self) -> Target:
        return self.control.target

    @property
    def key(self) -> bytes:
        name = self.name.encode("utf-8", "surrogateescape")
        whole = b"etl:{%b}" % name if self.tag is None else b"etl:{%b}:%b" % (self.tag, name)
        return whole + self._part

    @property
    def node_name(self) -> bytes:
        """Return what the keys of its checkpoints at the nodes of a cluster end with."""
        return self.name.encode("utf-8", "surrogateescape") + self._part

    @property
    def _part(self) -> bytes:
        return f":{self.part}".encode() if self.part else b""

    @property
    def title(self) -> str:
        """Return what messages call it: ``job nightly``, ``shard 3 of job nightly``."""
        return f"{self.part.replace(':', ' ')} of job {self.name}" if self.part else f"job {self.name}"

    def set_target(self, target: Target) -> None:
        """Use ``target`` from now on: the same one, knowing its servers."""
        self.control.set_target(target.holding(self.key))
        if self.nodes is not None:
            self.nodes.set_target(target)

    def reach_anew(self) -> None:
        """Let go of the connection: whoever is asked next is reached, and known again, first."""
        self.control.close()

    def resume_point(self, task: JobSpec, *, restart: bool) -> ResumePoint:
        """Return where the job stands, for this task. Raises SourceError where it is another one by now."""
        if restart:
            return ResumePoint()
        record = self._read()
        head = self._head(record)
        if head is not None and head.shards and head.state != COMPLETE:
            raise SourceError(
                f"{self.title} was begun in {head.shards:,} shards, and not all of them are complete"
                f" (redis-etl status {self.name}): load the others, or give --restart to load it as a whole"
            )
        if task.source is None or head is None:
            return ResumePoint()
        if head.state == COMPLETE:
            same = head.source == task.source and head.template == task.template
            return ResumePoint(unchanged=same, ended=head.updated)
        passed = self.checked(read_passed, head, record)
        return left_unfinished(self.title, task, head, self._done(head, record), passed)

    def begin(self, task: JobSpec, block_bytes: int, *, afresh: bool) -> None:
        """Note that a run has begun: afresh, or going on."""
        head = None if afresh else self._head(self._read())
        if head is not None:
            self._write(replace(head, state=INCOMPLETE, updated=now()))
            return
        at = now()
        head = Head(INCOMPLETE, task.source or "", task.template, block_bytes, started=at, updated=at)
        listed = self.listed()
        self.control.execute((b"DEL", self.key), (b"HSET", self.key, *self._words(head)))
        if self.nodes is not None:
            self.nodes.delete(listed)

    def note_prepass(self, passed: PrepassResult) -> None:
        """Note that the pass before the load is done, and what it has settled."""
        pairs = list(present_words(passed, self.token))
        for start in range(0, len(pairs), _FIELDS_A_COMMAND):
            words = [word for pair in pairs[start : start + _FIELDS_A_COMMAND] for word in pair]
            self.control.execute((b"HSET", self.key, *words))
        head = self._own_head()
        self._write(replace(head, passed=(passed.skipped, passed.rejected, len(pairs), self.token)))

    def confirmed(self, done: Completed) -> Confirmed | None:
        """Return what the nodes of a cluster confirm of ``done``; None for one server and for a new job."""
        record = self._read()
        head = self._head(record)
        if self.nodes is None or head is None or not head.attempts:
            return None
        number, workers, token = (last := head.attempts[-1]).number, last.workers, last.token
        splits = {mark.split for mark in done.marks if mark.attempt == number}
        found = self.nodes.read(_listed_in(record), number, token)
        return Confirmed(found, done, number, workers, "record" if "record" in splits else "block")

    def begin_attempt(self, workers: int, split: str, repaired: int = 0) -> CheckpointWriter:
        """Make the workers' checkpoints, which they then only change: one that is new was taken away.

        ``repaired`` are the slots of a cluster of which something is sent once more.
        """
        head = self._own_head()
        number = len(head.attempts)
        keys: tuple[bytes, ...] = ()
        if self.nodes is not None:
            first = [
                NodeCheckpoint(number, worker, self.token, 0, repaired=repaired) for worker in range(workers)
            ]
            # They are listed before they are made, and there before the attempt is.
            keys = self.nodes.begin(self.node_name, first, self.listed(), self._list)
        marks = [Checkpoint(number, worker, workers, split, token=self.token) for worker in range(workers)]
        head = replace(head, attempts=(*head.attempts, Attempt(number, workers, self.token)))
        self._write(head, (word for mark in marks for word in (mark.field, mark.value)))
        return CheckpointWriter(
            self.key, number, self.run.encode(), self.may_vanish, self.token, self.node_name, keys, repaired
        )

    def complete(self, counts: Mapping[str, int]) -> None:
        """Note the good end, and let the record expire: the counts stay, the marks have done their work."""
        self.control.alone(lambda control: replace(self, control=control)._complete(counts))

    def _complete(self, counts: Mapping[str, int]) -> None:
        for _ in range(_TRIES):
            _, record = self.control.execute((b"WATCH", self.key), (b"HGETALL", self.key))
            found = dict(zip(record[::2], record[1::2], strict=True))
            if found.get(b"run") != self.run.encode() and not self.may_vanish:
                break
            head = self._head(found) or Head(COMPLETE)
            if self.nodes is not None:
                self.nodes.expire(_listed_in(found))
            head = replace(head, state=COMPLETE, attempts=(), passed=None, updated=now(), counts=counts)
            replies = self.control.execute(
                (b"MULTI",),
                (b"DEL", self.key),
                (b"HSET", self.key, *self._words(head)),
                *self._expiring(),
                (b"EXEC",),
            )
            if replies[-1] is not None:  # else another has written to the record meanwhile
                if self.nodes is not None:
                    self.nodes.delete(_listed_in(found))
                return
        raise self._gone()

    def _expiring(self) -> tuple[tuple[bytes, ...], ...]:
        if self.keep_s is None:
            return ()
        return ((b"PEXPIRE", self.key, b"%d" % max(1, round(1000 * self.keep_s))),)

    def done(self) -> Completed | None:
        """Read the marks again, for another turn of this run; None where the record is gone."""
        record = self._read()
        head = self._head(record)
        return self._done(head, record) if head and record.get(b"run") == self.run.encode() else None

    def listed(self) -> list[bytes]:
        """Return the keys of the checkpoints at the nodes of a cluster."""
        return [] if self.nodes is None else _listed_in(self._read())

    def _list(self, key: bytes) -> None:
        self.control.execute((b"HSET", self.key, NODE_PREFIX + key, b"1"))

    def _own_head(self) -> Head:
        head = self._head(self._read())
        if head is None:
            if not self.may_vanish:
                raise self._gone()
            head = Head(INCOMPLETE)
        return head

    def _words(self, head: Head) -> list[bytes]:
        return [b"run", self.run.encode(), *head.words()]

    def _write(self, head: Head, more: Iterable[bytes] = ()) -> None:
        self.control.execute((b"HSET", self.key, *self._words(head), *more))

    def _read(self) -> dict[bytes, bytes]:
        try:
            (reply,) = self.control.execute((b"HGETALL", self.key))
        except WrongTypeError:
            raise self._damaged("it is no hash") from None
        assert isinstance(reply, list)
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def _head(self, record: Mapping[bytes, bytes]) -> Head | None:
        return self.checked(read_head, record)

    def _done(self, head: Head, record: Mapping[bytes, bytes]) -> Completed:
        return self.checked(read_done, head, record)

    def checked(self, read: Callable[..., Anything], *of: object) -> Anything:
        """Return what ``read`` makes of a record. Raises TargetError where it is damaged."""
        try:
            return read(*of)
        except DamagedError as error:
            raise self._damaged(str(error)) from None

    def _gone(self) -> JobStateLostError:
        return JobStateLostError(
            f"{self.target}: the record of this job was removed while the run went on; start the load again"
        )

    def _damaged(self, why: str) -> TargetError:
        key = self.key.decode("utf-8", "replace")
        return TargetError(
            f"{self.target}: the record of {self.title} ({key}) is damaged: {why}; give --restart to load"
            " from the beginning, or another --job"
        )


def _listed_in(record: Mapping[bytes, bytes]) -> list[bytes]:
    return [field.removeprefix(NODE_PREFIX) for field in record if field.startswith(NODE_PREFIX)]
