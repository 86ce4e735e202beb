"""A job that is loaded in shards, each by a run of its own, wherever it is.

Shard I has a record ``etl:{JOB}:shard:I`` and a lock, like a job: so it resumes, and one run of it goes on at
a time. The job's own record says how many shards there are, and of what; whichever run sees that all of them
are complete makes it complete, with their counts added up. All keys of a job have one hash tag.

NOTE(shards and wholes): who loads a shard takes its lock, and then looks whether the job is being loaded as a
whole; who loads it as a whole takes the job's lock, and then looks for shards. So one of two sees the other.

NOTE(generations): a record that is begun anew (another plan, another number of shards, ``--restart`` of the
whole) takes those of its shards with it, in one transaction. ``--restart`` of one shard takes only its own.

NOTE(joined): a shard that has joined has its run's token in its record, written only while the job's record
is as it was found; who begins the job anew watches the records of all shards. So a shard that has its lock
and has not joined is in nobody's way: it will see what the job has become. All of a job may be started
together, with ``--restart`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from etl.errors import JobStateLostError, LockedError, RejectedError, SourceError, UsageError
from etl.job.fields import COMPLETE, INCOMPLETE, Head, PrepassResult, read_head, read_passed
from etl.job.parts import part_of, shards_loading
from etl.job.state import Job, JobSpec, now
from etl.plan import COUNTS
from etl.report import RejectLimit
from etl.shards import ShardNumber
from etl.units import counted

_TRIES = 20
_KEYS_A_COMMAND = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ShardGroup:
    """The shards of a job, as the run of one of them sees them (or whoever has all of them run).

    ``job`` is the whole one: its ``control`` and its token are this run's. ``spec`` and ``block_bytes`` are
    the plan's. Every method raises what ``job.control`` raises, and TargetError for a damaged record.
    """

    job: Job
    count: int
    spec: JobSpec
    block_bytes: int

    def part(self, shard: int) -> Job:
        """Return the job of one shard; its record stays until the whole job is complete."""
        return replace(self.job, part=part_of(shard), keep_s=None)

    @property
    def prepass(self) -> Job:
        """Return a job to hold the lock of: who has it makes the pass over the keys, for all shards."""
        return replace(self.job, part="prepass")

    def join(self, shard: ShardNumber, *, restart: bool) -> None:
        """Begin a shard of the job, whose lock is held; begin the job, if it is not begun.

        Raises LockedError where the job is loaded as a whole, SourceError where it was begun with another
        plan, or in another number of shards, and is not finished, UsageError where that is complete.
        """
        self._alone(lambda group: group._join(shard, restart=restart))

    def _alone(self, use: Callable[[ShardGroup], T]) -> T:
        """Return what ``use`` does with this group on a connection of its own, that WATCH and EXEC share."""
        return self.job.control.alone(
            lambda control: use(replace(self, job=replace(self.job, control=control)))
        )

    def _join(self, shard: ShardNumber, *, restart: bool) -> None:
        part = self.part(shard.index)
        own, joined = (part.key,), (b"HSET", part.key, b"run", self.job.run.encode())
        for _ in range(_TRIES):
            head, whole = self._watched()
            if whole:
                raise LockedError(
                    f"{self.job.title} is being loaded as a whole; --wait-lock SECONDS waits for its end"
                )
            if head is None or not self._is_ours(head):
                self._require_finished(head, restart=restart)
                if self._begin_anew(head, but=shard.index, more=(joined,)):
                    return
            elif not restart and head.state == COMPLETE:  # nothing is written that would not expire
                return
            elif not restart:
                if self._transacted(joined):
                    return
            elif head.state == COMPLETE:  # with its expiry
                again = replace(head, state=INCOMPLETE, updated=now(), counts={})
                if self._written(again, (self.job.key, *own), joined):
                    return
            elif self._written(replace(head, updated=now()), own, joined):
                return
        raise self._contended()

    def restart(self) -> None:
        """Begin the whole job anew. Raises LockedError where a shard is running."""
        self._alone(ShardGroup._restart)

    def _restart(self) -> None:
        for _ in range(_TRIES):
            head, _ = self._watched()
            if self._begin_anew(head):
                return
        raise self._contended()

    def begun(self) -> int | None:
        """Return in how many shards the same job was begun, and not finished; None where it was not."""
        head = self._sound(self._read())
        if head is None or head.state == COMPLETE or not self._is_of_same(head):
            return None
        return head.shards or None

    def finish(self, limit: RejectLimit) -> RejectedError | None:
        """Make the job complete if all its shards are; return the error of one with too many rejects.

        Raises JobStateLostError where the job was begun anew meanwhile.
        """
        return self._alone(lambda group: group._finish(limit))

    def _finish(self, limit: RejectLimit) -> RejectedError | None:
        for _ in range(_TRIES):
            head, _ = self._watched()
            if head is None and self.job.may_vanish:
                return None
            if head is None or not self._is_ours(head):
                raise JobStateLostError(
                    f"{self.job.target}: the record of {self.job.title} was removed or begun anew while its"
                    " shards were loaded; start them again"
                )
            counts = None if head.state == COMPLETE else self._counts()
            error = None if counts is None else _over(limit, counts)
            if counts is None or error is not None:
                return error
            finished = replace(head, state=COMPLETE, passed=None, updated=now(), counts=counts)
            if self._written(finished, (self.job.key,), expire=True):
                return None
        raise self._contended()

    def passed(self) -> PrepassResult | None:
        """Return what a pass over the keys has decided for all shards; None where it is not done."""
        record = self._read()
        head = self._sound(record)
        return None if head is None else self.job.checked(read_passed, head, record)

    def note_prepass(self, passed: PrepassResult) -> None:
        """Note what a pass over the keys has decided, for all shards."""
        self.job.note_prepass(passed)

    def complete(self) -> bool:
        """Return True if the job is complete, of the same sources and options."""
        head = self._sound(self._read())
        return head is not None and head.state == COMPLETE and self._is_of_plan(head)

    def _is_ours(self, head: Head) -> bool:
        return self._is_of_same(head) and head.shards == self.count

    def _is_of_same(self, head: Head) -> bool:
        return self._is_of_plan(head) and head.block_bytes == self.block_bytes

    def _is_of_plan(self, head: Head) -> bool:
        return (head.source, head.template) == (self.spec.source, self.spec.template)

    def _watched(self) -> tuple[Head | None, bool]:
        """Watch the job's record; return it, and whether somebody holds the lock of the whole."""
        key = self.job.key
        _, record, holder = self.job.control.execute(
            (b"WATCH", key), (b"HGETALL", key), (b"GET", key + b":lock")
        )
        return self._sound(_pairs(record)), holder is not None

    def _read(self) -> dict[bytes, bytes]:
        (record,) = self.job.control.execute((b"HGETALL", self.job.key))
        return _pairs(record)

    def _sound(self, record: Mapping[bytes, bytes]) -> Head | None:
        return self.job.checked(read_head, record)

    def _require_finished(self, head: Head | None, *, restart: bool) -> None:
        if head is None or restart:
            return
        if head.state == COMPLETE:
            self._require_another(head)
            return
        if not self._is_of_same(head):
            why = "and this plan is another one"
        elif head.shards:
            why = f"in {counted(head.shards, 'shard')}, not {self.count:,}"
        else:
            why = "as a whole, not in shards"
        raise SourceError(
            f"{self.job.title} was begun {why}, and is not finished: go on as it was begun, or give --restart"
            " to load from the beginning"
        )

    def _require_another(self, head: Head) -> None:
        """Raise UsageError where the complete job had the same sources and options."""
        if self._is_of_plan(head):
            how = f"in {counted(head.shards, 'shard')}" if head.shards else "as a whole"
            raise UsageError(
                f"{self.job.title} was completed, {how}, with the same sources and options: nothing to do in"
                f" {counted(self.count, 'shard')} (--restart loads it again)"
            )

    def _begin_anew(
        self, old: Head | None, but: int | None = None, more: tuple[tuple[bytes, ...], ...] = ()
    ) -> bool:
        """Write a new record over ``old`` and those of its shards, none of which may be running."""
        parts = range(max(self.count, 0 if old is None else old.shards))
        keys = tuple(self.part(index).key for index in parts)
        self.job.control.execute(*((b"WATCH", *some) for some in _some(keys)))  # NOTE(joined)
        running = shards_loading(self.job, [index for index in parts if index != but])
        if running:
            if self._sound(self._read()) != old:
                return False  # one that was started together with this one has begun it meanwhile
            raise LockedError(
                f"{counted(len(running), 'shard')} of {self.job.title}, as it was begun before, are still"
                " running: try again when they have ended"
            )
        at = now()
        head = Head(
            INCOMPLETE,
            self.spec.source or "",
            self.spec.template,
            self.block_bytes,
            started=at,
            updated=at,
            shards=self.count,
        )
        return self._written(head, (self.job.key, *keys), *more)

    def _written(
        self, head: Head, gone: tuple[bytes, ...], *more: tuple[bytes, ...], expire: bool = False
    ) -> bool:
        """Delete keys, write the job's record, and do more, unless it has changed since it was watched."""
        key, run = self.job.key, (b"run", self.job.run.encode())
        orphans = [] if self.job.nodes is None else self._at_nodes(gone)
        deletes = [(b"DEL", *some) for some in _some(gone)]
        expiry = b"%d" % max(1, round(1000 * (self.job.keep_s or 0)))
        expiring = [key, *(self.part(index).key for index in range(self.count))] if expire else []
        written = self._transacted(
            *deletes,
            (b"HSET", key, *run, *head.words()),
            *more,
            *((b"PEXPIRE", one, expiry) for one in expiring),
        )
        if written and self.job.nodes is not None:
            self.job.nodes.delete(orphans)
        return written

    def _transacted(self, *commands: tuple[bytes, ...]) -> bool:
        """Return True if commands were done: not where what was watched has changed meanwhile."""
        return self.job.control.execute((b"MULTI",), *commands, (b"EXEC",))[-1] is not None

    def _at_nodes(self, gone: tuple[bytes, ...]) -> list[bytes]:
        """Return the checkpoints at the nodes of a cluster that go with the records of shards."""
        parts = [self.part(index) for index in range(self.count)]
        return [key for part in parts if part.key in gone for key in part.listed()]

    def _counts(self) -> dict[str, int] | None:
        """Return what all shards have counted; None where one of them is not complete."""
        keys = [self.part(index).key for index in range(self.count)]
        states = self.job.control.execute(*((b"HGET", key, b"state") for key in keys))
        if any(state != COMPLETE.encode() for state in states):
            return None
        total = dict.fromkeys(COUNTS, 0)
        for index, record in enumerate(self.job.control.execute(*((b"HGETALL", key) for key in keys))):
            head = self.part(index).checked(read_head, _pairs(record))
            if head is None or head.state != COMPLETE or not self._is_of_plan(head):
                return None
            for name in COUNTS:
                total[name] += head.counts.get(name, 0)
        return total

    def _contended(self) -> LockedError:
        return LockedError(f"{self.job.title}: others change its record all the time; try again")


def _over(limit: RejectLimit, counts: Mapping[str, int]) -> RejectedError | None:
    rejected, read = counts["records_rejected"], counts["records_read"]
    if not limit.exceeded(rejected, read, ended=True):
        return None
    return RejectedError(
        f"{rejected:,} of {read:,} records of all shards were rejected; {limit} are allowed (--max-rejects)"
    )


def _pairs(reply: Any) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _some(keys: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    return [keys[start : start + _KEYS_A_COMMAND] for start in range(0, len(keys), _KEYS_A_COMMAND)]
