"""What a target holds about a job, for people and monitors. It only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from etl.job.fields import COMPLETE, Head, read_done, read_head, read_passed
from etl.job.lock import Holder
from etl.job.parts import part_of
from etl.job.presence import Seen
from etl.job.state import Job
from etl.plan import COUNTS
from etl.units import counted, format_bytes, format_count

RUNNING = "running"
WAITING = "waiting"
INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """Where a job, or one shard of it, stands.

    ``state``: ``complete``, ``running`` (its lock is held, by ``holder``), ``incomplete`` (begun, and nobody
    is at it) or ``waiting`` (of a shard: not begun). ``counts`` are COUNTS; times are ISO 8601, UTC.
    """

    state: str
    counts: Mapping[str, int]
    holder: str | None = None
    started: str | None = None
    updated: str | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Where a job stands; ``shards`` are those that it is loaded in, in order (empty: as a whole)."""

    job: str
    target: str
    whole: PartStatus
    shards: tuple[PartStatus, ...] = ()

    rejects_line = None
    exit_code = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain data for JSON."""
        return {
            "job": self.job,
            "target": self.target,
            **_as_dict(self.whole),
            "shards": [{"shard": number, **_as_dict(shard)} for number, shard in enumerate(self.shards)],
        }

    def summary(self) -> str:
        """Return the lines for people; the last one reconciles the counts."""
        whole = self.whole
        told = whole.state + (f" ({whole.holder})" if whole.holder else "")
        if self.shards:
            complete = sum(shard.state == COMPLETE for shard in self.shards)
            told += f", {complete:,} of {counted(len(self.shards), 'shard')} complete"
        lines = [f"job {self.job} in {self.target}: {told}"]
        lines += [_line(number, shard) for number, shard in enumerate(self.shards)]
        if whole.started:
            lines.append(f"begun {whole.started}, last noted {whole.updated}")
        read, *parts = (f"{format_count(whole.counts[name])} {_short(name)}" for name in COUNTS[:-1])
        lines.append(f"{format_bytes(whole.counts['bytes_done'])}; {read} = {' + '.join(parts)}")
        return "\n".join(lines)


def read_status(job: Job) -> JobStatus | None:
    """Return where a job stands; None for one that the target knows nothing about. Raises TargetError."""
    ((head, whole),) = _read([job])
    if head is None:
        return None if whole.state != RUNNING else JobStatus(job.name, job.target.name, whole)
    if not head.shards:
        return JobStatus(job.name, job.target.name, whole)
    parts = [replace(job, part=part_of(shard)) for shard in range(head.shards)]
    shards = tuple(
        shard if known is not None or shard.state == RUNNING else replace(shard, state=WAITING)
        for known, shard in _read(parts)
    )
    if whole.state != COMPLETE:
        counts = {name: sum(shard.counts[name] for shard in shards) for name in COUNTS}
        running = whole.state == RUNNING or any(shard.state == RUNNING for shard in shards)
        updated = max(filter(None, (whole.updated, *(shard.updated for shard in shards))), default=None)
        state = RUNNING if running else INCOMPLETE
        whole = replace(whole, state=state, counts=counts, updated=updated)
    return JobStatus(job.name, job.target.name, whole, shards)


def _read(parts: list[Job]) -> list[tuple[Head | None, PartStatus]]:
    keys = [part.key for part in parts]
    replies = parts[0].control.execute(
        *((b"HGETALL", key) for key in keys), *((b"GET", key + b":lock") for key in keys)
    )
    records, locks = replies[: len(keys)], replies[len(keys) :]
    return [_status(*one) for one in zip(parts, records, locks, strict=True)]


def _status(part: Job, reply: Any, lock: bytes | None) -> tuple[Head | None, PartStatus]:
    record = dict(zip(reply[::2], reply[1::2], strict=True))
    head = part.checked(read_head, record)
    if lock is not None and Holder.of(lock).seen() is Seen.GONE:
        lock = None  # a run of this machine that was killed
    holder = None if lock is None else Holder.of(lock).shown
    nothing = dict.fromkeys(COUNTS, 0)
    if head is None:
        return None, PartStatus(INCOMPLETE if lock is None else RUNNING, nothing, holder)
    if head.state == COMPLETE:
        state, counts = COMPLETE, {**nothing, **head.counts}
    else:
        state, counts = INCOMPLETE, part.checked(read_done, head, record).counts()
        passed = part.checked(read_passed, head, record)
        if passed is not None and not head.shards:
            counts["records_read"] += passed.skipped + passed.rejected
            counts["records_skipped"] += passed.skipped
            counts["records_rejected"] += passed.rejected
    if lock is not None:
        state = RUNNING
    return head, PartStatus(state, counts, holder, head.started or None, head.updated or None)


def _as_dict(part: PartStatus) -> dict[str, Any]:
    return {
        "state": part.state,
        "records": {_short(name): part.counts[name] for name in COUNTS[:-1]},
        "bytes": part.counts["bytes_done"],
        "holder": part.holder,
        "started": part.started,
        "updated": part.updated,
    }


def _line(number: int, shard: PartStatus) -> str:
    holder = f"  {shard.holder}" if shard.holder else ""
    return f"  shard {number}  {shard.state:10}  {counted(shard.counts['records_read'], 'record')}{holder}"


def _short(counter: str) -> str:
    return counter.removeprefix("records_")
