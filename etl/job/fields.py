"""The fields of a job's record, written with a check and believed only with it. Pure.

| field | holds |
|---|---|
| ``state`` | ``incomplete`` from a run's start on, ``complete`` at its good end |
| ``source``, ``template`` | digests of what was loaded, and of what it became |
| ``block_bytes`` | the size that the source was cut by: marks speak of these blocks |
| ``attempts`` | ``turn:workers:token`` of each attempt: as many marks each must have |
| ``passed`` | of the pass over the keys when it is done: skipped, rejected, ``present`` fields, token |
| ``started``, ``updated`` | times, ISO 8601 in UTC |
| ``records_read`` ... | the counts of a complete run |
| ``shards`` | of a job that is loaded in shards: how many; each has a record of its own (``shards.py``) |
| ``check`` | of all of these |
| ``run`` | the token of the run that wrote last; a wrong one only ends that run |
| ``stop`` | the token of the run that somebody asks to stop (``stop.py``) |
| ``mark:{turn}:{worker}:{token}`` | how far a worker is (``etl/plan/marks.py``) |
| ``present:{block}:{token}`` | a bit for each record of the block that the pass has settled |

Marks and bits that no attempt and no pass has listed are what a late process of an earlier run has left: they
say nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from etl.plan import (
    COUNTS,
    MAX_SHARES,
    Completed,
    check_of,
    mark_field,
    number_in,
    parse_checkpoint,
    seal,
    unseal,
)
from etl.shards import MAX_SHARDS

COMPLETE = "complete"
INCOMPLETE = "incomplete"

CHECKED = (
    *("state", "source", "template", "block_bytes", "attempts", "passed", "started", "updated"),
    *COUNTS,
    "shards",
)
_CHECK = b"check"
_MOST_BLOCK_BYTES = 1 << 40


class DamagedError(Exception):
    """A record that does not fit together; the message says which part."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: its number, its workers, and its run's token."""

    number: int
    workers: int
    token: str

    def __str__(self) -> str:
        return f"{self.number}:{self.workers}:{self.token}"


@dataclass(frozen=True, slots=True)
class PrepassResult:
    """What a pass over the keys before the load has settled: records counted, and a bit each, by block.

    ``superseded`` by a later record with the same key, where each key is written once; a record of a job in
    Redis does not hold it, as no load into a server has such.
    """

    skipped: int = 0
    rejected: int = 0
    present: Mapping[int, bytes] = field(default_factory=dict)
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """All of a record but its marks and bits. ``passed`` is None until the pass over the keys is done.

    ``shards``: how many the job is cut into; 0 for one that is loaded as a whole.
    """

    state: str
    source: str = ""
    template: str = ""
    block_bytes: int = 1
    attempts: tuple[Attempt, ...] = ()
    passed: tuple[int, int, int, str] | None = None
    started: str = ""
    updated: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    shards: int = 0

    def words(self) -> list[bytes]:
        """Return names and values, the check among them, for HSET."""
        values = {
            "state": self.state,
            "source": self.source,
            "template": self.template,
            "block_bytes": str(self.block_bytes),
            "attempts": " ".join(map(str, self.attempts)),
            "passed": "" if self.passed is None else " ".join(map(str, self.passed)),
            "started": self.started,
            "updated": self.updated,
            **{name: str(count) for name, count in self.counts.items()},
            **({"shards": str(self.shards)} if self.shards else {}),
        }
        record = {name.encode(): value.encode() for name, value in values.items()}
        return [*(word for pair in record.items() for word in pair), _CHECK, _check(record)]


def read_head(record: Mapping[bytes, bytes]) -> Head | None:
    """Return the head of a record; None where there is none (it is empty, or of late marks only).

    Raises DamagedError.
    """
    if not any(name.encode() in record for name in CHECKED) and _CHECK not in record:
        return None
    if _CHECK not in record:
        if record.get(b"state") != COMPLETE.encode():
            raise DamagedError("it has no check; an earlier release may have left it unfinished")
        # An earlier release's; what it says only saves a load, or has it done again.
        source, template, updated = (
            record.get(name, b"").decode("utf-8", "replace") for name in (b"source", b"template", b"updated")
        )
        return Head(COMPLETE, source, template, updated=updated)
    if record[_CHECK] != _check(record):
        raise DamagedError("its fields do not fit their check")
    try:
        return _parsed({name: record[name.encode()].decode() for name in CHECKED if name.encode() in record})
    except (KeyError, ValueError):
        raise DamagedError("a field of it cannot be read") from None


def _parsed(values: Mapping[str, str]) -> Head:
    if values["state"] not in (COMPLETE, INCOMPLETE):
        raise ValueError("no such state")
    return Head(
        state=values["state"],
        source=values["source"],
        template=values["template"],
        block_bytes=number_in(values["block_bytes"], 1, _MOST_BLOCK_BYTES),
        attempts=tuple(_attempts(values["attempts"])),
        passed=_passed(values["passed"]) if values["passed"] else None,
        started=values["started"],
        updated=values["updated"],
        counts={name: number_in(values[name], 0) for name in COUNTS if name in values},
        shards=number_in(values["shards"], 1, MAX_SHARDS) if "shards" in values else 0,
    )


def _attempts(text: str) -> Iterator[Attempt]:
    for attempt in text.split():
        number, workers, token = attempt.split(":")
        yield Attempt(number_in(number, 0), number_in(workers, 1, MAX_SHARES), token)


def _passed(text: str) -> tuple[int, int, int, str]:
    skipped, rejected, blocks, token = text.split(" ")
    return number_in(skipped, 0), number_in(rejected, 0), number_in(blocks, 0), token


def read_done(head: Head, record: Mapping[bytes, bytes]) -> Completed:
    """Return what the marks of all attempts say together.

    Raises DamagedError where one is missing or wrong.
    """
    marks = []
    for attempt in head.attempts:
        for worker in range(attempt.workers):
            name = mark_field(attempt.number, worker, attempt.token)
            if name not in record:
                raise DamagedError(f"the mark of worker {worker} in attempt {attempt.number} is missing")
            try:
                mark = parse_checkpoint(name, record[name])
            except ValueError:
                raise DamagedError(
                    f"the mark of worker {worker} in attempt {attempt.number} is wrong"
                ) from None
            if mark.workers != attempt.workers:
                raise DamagedError(f"the mark of worker {worker} in attempt {attempt.number} is another's")
            marks.append(mark)
    return Completed(marks)


def present_words(passed: PrepassResult, token: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and value of each field of bits."""
    for block, bits in sorted(passed.present.items()):
        name = _present_field(block, token)
        yield name, seal(name, bits)


def _present_field(block: int, token: str) -> bytes:
    return b"present:%d:%b" % (block, token.encode())


def read_passed(head: Head, record: Mapping[bytes, bytes]) -> PrepassResult | None:
    """Return what the pass over the keys has settled; None where it is not done. Raises DamagedError."""
    if head.passed is None:
        return None
    skipped, rejected, blocks, token = head.passed
    present: dict[int, bytes] = {}
    try:
        for name, value in record.items():
            kind, _, rest = name.partition(b":")
            if kind == b"present" and rest.endswith(b":" + token.encode()):
                present[number_in(rest.partition(b":")[0], 0)] = unseal(name, value)
    except ValueError:
        raise DamagedError("what was found by its pass over the keys is wrong") from None
    if len(present) != blocks:
        raise DamagedError("a part of what was found by its pass over the keys is missing")
    return PrepassResult(skipped, rejected, present)


def _check(record: Mapping[bytes, bytes]) -> bytes:
    names = [name.encode() for name in CHECKED]
    return check_of(
        _CHECK,
        b"\n".join(b"%b=%d:%b" % (name, len(record[name]), record[name]) for name in names if name in record),
    )
