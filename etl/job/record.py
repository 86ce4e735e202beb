"""The record of a job, kept in the target itself, so that data and marks survive or vanish together.

| field | holds |
|---|---|
| ``state`` | ``incomplete`` from a run's start on, ``complete`` at its good end |
| ``source``, ``template`` | digests of what was loaded, and of what it became |
| ``block_bytes`` | the size that the source was cut by: marks speak of these blocks |
| ``run`` | the token of the run that wrote last |
| ``started``, ``updated`` | times, ISO 8601 in UTC |
| ``passed`` | records skipped and rejected by the pass over the keys, once it is done |
| ``present:{block}`` | a bit for each record of the block that this pass has settled |
| ``mark:{turn}:{worker}`` | how far a worker is (``etl/marks.py``) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from etl.errors import RecordGoneError, SourceError, TargetError
from etl.marks import Done, Mark, Marks, marks_of
from etl.plan import Target
from etl.target.console import Console

COMPLETE = b"complete"
INCOMPLETE = b"incomplete"

_PRESENT = b"present:"
_FIELDS_A_COMMAND = 512


@dataclass(frozen=True, slots=True)
class Task:
    """What a run is asked to do; only the same may be gone on with.

    ``source`` is None where nobody can tell whether it is the same (standard input, an object, a query).
    """

    source: str | None
    template: str


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass over the keys before the load has settled: records counted, and a bit each, by block."""

    skipped: int = 0
    rejected: int = 0
    present: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands: nothing done, or marks to go on from."""

    block_bytes: int | None = None
    done: Done = field(default_factory=lambda: Done(()))
    passed: Passed | None = None
    unchanged: bool = False

    @property
    def resumes(self) -> bool:
        return self.block_bytes is not None

    @property
    def next_turn(self) -> int:
        return 1 + max((mark.turn for mark in self.done.marks), default=-1)


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name, in its target; ``run`` is this run's token.

    Every method raises what ``console`` raises. ``may_vanish``: the server may evict the record.
    """

    name: str
    run: str
    console: Console
    may_vanish: bool = False

    @property
    def commands(self) -> tuple[tuple[bytes, ...], ...]:
        """Give an example of each command that a job needs, also for its lock and behind the fence."""
        key, lock = self.key, self.key + b":lock"
        return (
            (b"HGETALL", key),
            (b"HSET", key, b"f", b"v"),
            (b"HGET", key, b"f"),
            (b"HDEL", key, b"f"),
            (b"DEL", lock),
            (b"SET", lock, b"v", b"NX", b"PX", b"1"),
            (b"GET", lock),
            (b"PEXPIRE", lock, b"1"),
            (b"WATCH", lock),
            (b"UNWATCH",),
            (b"MULTI",),
            (b"EXEC",),
        )

    @property
    def target(self) -> Target:
        return self.console.target

    @property
    def key(self) -> bytes:
        return b"etl:{%b}" % self.name.encode("utf-8", "surrogateescape")

    def standing(self, task: Task, *, restart: bool) -> Standing:
        """Say where the job stands, for this task. Raises SourceError where it is another one by now."""
        record = self._read()
        if restart or task.source is None or b"state" not in record:  # a late mark alone is no record
            return Standing()
        try:
            return self._read_standing(record, task, task.source)
        except (KeyError, ValueError):
            raise TargetError(
                f"{self.target}: {self.key.decode('utf-8', 'replace')} is no record of a job:"
                " give --restart, or another --job"
            ) from None

    def _read_standing(self, record: Mapping[bytes, bytes], task: Task, source: str) -> Standing:
        same_source = record.get(b"source") == source.encode()
        same = same_source and record.get(b"template") == task.template.encode()
        if record.get(b"state") == COMPLETE:
            return Standing(unchanged=same)
        if not same and not _begun(record):
            return Standing()
        if not same:
            what = "options that say what becomes of a record" if same_source else "sources"
            raise SourceError(
                f"job {self.name} was not finished, and its {what} have changed: give --restart to load from"
                " the beginning, or what it was begun with to go on"
            )
        return Standing(
            block_bytes=int(record[b"block_bytes"]), done=Done(marks_of(record)), passed=_passed(record)
        )

    def begin(self, task: Task, block_bytes: int, *, afresh: bool) -> None:
        """Note that a run has begun: afresh, or going on."""
        now = _now()
        fields = [b"state", INCOMPLETE, b"run", self.run.encode(), b"updated", now]
        if not afresh:
            self.console.ask((b"HSET", self.key, *fields))
            return
        fields += [b"source", (task.source or "").encode(), b"template", task.template.encode()]
        fields += [b"block_bytes", b"%d" % block_bytes, b"started", now]
        self.console.ask((b"DEL", self.key), (b"HSET", self.key, *fields))

    def note_pass(self, passed: Passed) -> None:
        """Note that the pass before the load is done, and what it has settled."""
        pairs = [(_PRESENT + b"%d" % block, bits) for block, bits in sorted(passed.present.items())]
        for start in range(0, len(pairs), _FIELDS_A_COMMAND):
            words = [word for pair in pairs[start : start + _FIELDS_A_COMMAND] for word in pair]
            self.console.ask((b"HSET", self.key, *words))
        self.console.ask((b"HSET", self.key, b"passed", b"%d %d" % (passed.skipped, passed.rejected)))

    def begin_turn(self, turn: int, workers: int, split: str) -> Marks:
        """Make the workers' marks, which they then only change: a mark that is new was taken away."""
        marks = [Mark(turn, worker, workers, split) for worker in range(workers)]
        self.console.ask((b"HSET", self.key, *(word for mark in marks for word in (mark.field, mark.value))))
        return Marks(self.key, turn, self.run.encode(), self.may_vanish)

    def complete(self, counts: Mapping[str, int]) -> None:
        """Note the good end: the counts stay, the marks have done their work."""
        record = self._read()
        if record.get(b"run") != self.run.encode() and not self.may_vanish:
            raise RecordGoneError(
                f"{self.target}: the record of this job was removed while the run went on; start the load"
                " again"
            )
        spent = [name for name in record if name.startswith((b"mark:", _PRESENT, b"passed"))]
        words = [word for name, count in counts.items() for word in (name.encode(), b"%d" % count)]
        self.console.ask((b"HSET", self.key, b"state", COMPLETE, b"updated", _now(), *words))
        for start in range(0, len(spent), _FIELDS_A_COMMAND):
            self.console.ask((b"HDEL", self.key, *spent[start : start + _FIELDS_A_COMMAND]))

    def done(self) -> Done | None:
        """Read the marks again, for another turn of this run; None where the record is gone."""
        record = self._read()
        return Done(marks_of(record)) if record.get(b"run") == self.run.encode() else None

    def _read(self) -> dict[bytes, bytes]:
        (reply,) = self.console.ask((b"HGETALL", self.key))
        assert isinstance(reply, list)
        return dict(zip(reply[::2], reply[1::2], strict=True))


def _begun(record: Mapping[bytes, bytes]) -> bool:
    """Say whether any worker has done anything that another task could not stand for."""
    return any(mark.block >= 0 or mark.partial >= 0 for mark in marks_of(record))


def _passed(record: Mapping[bytes, bytes]) -> Passed | None:
    if b"passed" not in record:
        return None
    skipped, rejected = map(int, record[b"passed"].split())
    bits = {name: value for name, value in record.items() if name.startswith(_PRESENT)}
    return Passed(
        skipped, rejected, {int(name.removeprefix(_PRESENT)): value for name, value in bits.items()}
    )


def _now() -> bytes:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").encode()
