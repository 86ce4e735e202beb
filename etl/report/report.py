"""What a run has done: counts while it runs, a report at its end. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.units import counted, format_bytes, format_count, format_seconds

if TYPE_CHECKING:
    from etl.plan import Gathered

COUNTERS = (
    "records_read",
    "records_written",
    "records_skipped",
    "records_rejected",
    "records_equal",
    "records_missing",
    "records_different",
    "blocks_done",
    "bytes_done",
    "finished",
    "waiting",
    "sent",
    "idle",
    "cpu_ms",
    "dropped_ns",
)
"""The counters of one worker, in the order of their cells.

``waiting``: it waits for a server that refuses for now. ``sent``: what a rate counts. ``idle``: it has
nothing to do just now: no block of the stream, or others wait, or the rate does not allow it. ``cpu_ms``:
milliseconds of processor time it has used. ``dropped_ns``: nanoseconds of a rate's allowance that it found
unused and dropped, since the start and for all workers.
"""

COUNTED = {
    "load": ("read", "written", "skipped", "rejected"),
    "verify": ("read", "equal", "missing", "different", "rejected"),
}
"""What a report counts, by verb; the first is the sum of the others."""

_CELL = {name: cell for cell, name in enumerate(COUNTERS)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that the target does not hold as the source has it. ``found`` is None when it is missing."""

    index: int
    key: bytes
    expected: bytes
    found: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record, by its index in the batch, that was not written, and why (an error reply or a sentence)."""

    index: int
    reason: Exception | str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the records of one batch. The counts of all verdicts add up to the records read."""

    written: int = 0
    skipped: int = 0
    equal: int = 0
    missing: int = 0
    different: int = 0
    refusals: tuple[Refusal, ...] = ()
    differences: tuple[Difference, ...] = ()
    again: tuple[int, ...] = ()
    """Records that were refused together, though not each of them may be to blame: send them one by one."""

    present: tuple[int, ...] = ()
    """Records whose key was there before the run, and that a later pass is to pass over."""

    gathered: Gathered | None = None
    """What only all batches together can tell (``etl/plan/gathered.py``)."""


class Tally:
    """Counters of all workers, in cells that processes may share.

    Each worker adds to its own cells only, so no lock is needed; anybody may read all of them. Behind the
    workers' cells are those of what was done before this run: they are part of every total.
    """

    def __init__(self, cells: MutableSequence[int], workers: int) -> None:
        self.cells = cells
        self.workers = workers

    @staticmethod
    def size(workers: int) -> int:
        """Give the number of cells for so many workers."""
        return (workers + 1) * len(COUNTERS)

    def set(self, worker: int, counter: str, count: int) -> None:
        """Set a counter of a worker that is not running; ``worker`` may be ``workers``, for earlier runs."""
        self.cells[worker * len(COUNTERS) + _CELL[counter]] = count

    def clear(self) -> None:
        """Set every counter to 0, while no worker is running; whoever holds them goes on doing so."""
        held = self.of(self.workers, "waiting")
        for cell in range(len(self.cells)):
            self.cells[cell] = 0
        self.set(self.workers, "waiting", held)

    def add(self, worker: int, counter: str, count: int) -> None:
        self.cells[worker * len(COUNTERS) + _CELL[counter]] += count

    def hold(self, held: bool) -> None:
        """Have all workers wait before their next block, or let them go."""
        self.set(self.workers, "waiting", int(held))

    def held(self, worker: int) -> bool:
        """Say whether this worker is to wait: all of them are held, or another one waits for the server."""
        return any(self.of(other, "waiting") for other in range(self.workers + 1) if other != worker)

    def of(self, worker: int, counter: str) -> int:
        return self.cells[worker * len(COUNTERS) + _CELL[counter]]

    def total(self, counter: str) -> int:
        return sum(self.of(worker, counter) for worker in range(self.workers + 1))

    def highest(self, counter: str) -> int:
        return max(self.of(worker, counter) for worker in range(self.workers + 1))

    def progress(self, worker: int) -> int:
        """Give a number that grows with whatever a worker gets done."""
        names = ("records_read", "blocks_done", "bytes_done", "sent")
        return sum(self.of(worker, name) for name in names)

    def finished(self) -> bool:
        """Say whether every worker has ended its shard."""
        return self.total("finished") == self.workers


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker's part: records it read, blocks it finished, seconds from its start to its end."""

    records: int
    blocks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Example:
    """A difference for people: record number (None where nobody counted), key, expected and found bytes."""

    record: int | None
    key: bytes
    expected: bytes
    found: bytes | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The file that rejects were written to, and the first one in it (None: what cannot be known)."""

    path: str
    file: str | None
    record: int | None
    reason: str | None

    def as_dict(self) -> dict[str, Any]:
        first = {"file": self.file, "record": self.record, "reason": self.reason}
        return {"file": self.path, "first": None if self.reason is None else first}

    def line(self, rejected: int) -> str:
        """Return the sentence about ``rejected`` rejects."""
        first = ""
        if self.reason is not None:
            record = "a record" if self.record is None else f"record {format_count(self.record)}"
            first = f" (first: {record} of {self.file}: {self.reason})"
        return f"{format_count(rejected)} rejected: see {self.path}{first}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Outcome of one run.

    ``status`` is ``complete``, ``incomplete``, ``failed`` or ``interrupted``; ``records`` maps ``read``,
    ``written``, ``skipped``, ``rejected`` (verify: ``read``, ``equal``, ``missing``, ``different``) to
    counts; ``target`` holds no secret; ``bytes`` is the part of the input that is done. ``rejected`` says
    where rejects were written (None: there are none, or nowhere), ``differences`` where all differences were.
    """

    verb: str
    status: str
    job: str | None
    target: str | None
    records: dict[str, int]
    bytes: int
    seconds: float
    workers: tuple[WorkerReport, ...]
    resumed_from: int | None = None
    examples: tuple[Example, ...] = ()
    error: str | None = None
    rejected: Rejected | None = None
    differences: str | None = None

    @classmethod
    def of_no_run(cls, verb: str, status: str, error: str) -> Report:
        """Make the report of a run that has not begun: nothing read, job and target None."""
        return cls(
            verb=verb,
            status=status,
            job=None,
            target=None,
            records=dict.fromkeys(COUNTED[verb], 0),
            bytes=0,
            seconds=0.0,
            workers=(),
            error=error,
        )

    @property
    def rate(self) -> float:
        """Records a second of this run alone: what an earlier one has read of the job does not count."""
        read = max(0, self.records["read"] - (self.resumed_from or 0))
        return read / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        """Exit code of a run that ended on its own: 0, or 1 when something is amiss with some records."""
        amiss = ("rejected", "missing", "different")
        return 1 if any(self.records.get(name, 0) for name in amiss) else 0

    @property
    def unshown(self) -> int:
        """Number of differences that are not among the examples."""
        found = self.records.get("missing", 0) + self.records.get("different", 0)
        return max(found - len(self.examples), 0)

    @property
    def rejects_line(self) -> str | None:
        """Sentence that says where the rejects are, and why there is the first of them; None without any."""
        return None if self.rejected is None else self.rejected.line(self.records["rejected"])

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain data for JSON."""
        report: dict[str, Any] = {
            "status": self.status,
            "records": dict(self.records),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            "rate": round(self.rate, 1),
            "resumed_from": self.resumed_from,
            "workers": [
                {"records": w.records, "blocks": w.blocks, "seconds": round(w.seconds, 6)}
                for w in self.workers
            ],
            "job": self.job,
            "target": self.target,
        }
        if self.verb == "verify":
            report["examples"] = [_example_as_dict(example) for example in self.examples]
            report["differences_not_shown"] = self.unshown
            report["differences"] = self.differences
        else:
            report["rejects"] = None if self.rejected is None else self.rejected.as_dict()
        if self.error is not None:
            report["error"] = self.error
        return report

    def summary(self) -> str:
        """Give the lines for people; the last one reconciles the counts."""
        read = self.records["read"]
        parts = " + ".join(
            f"{format_count(count)} {name}" for name, count in self.records.items() if name != "read"
        )
        return "\n".join(
            [
                *(_example_line(example) for example in self.examples),
                *self._about_others(),
                *(line for line in [self.rejects_line] if line is not None),
                f"{format_bytes(self.bytes)} in {format_seconds(self.seconds)}"
                f" ({counted(round(self.rate), 'record')}/s), {counted(len(self.workers), 'worker')},"
                f" {self.target}",
                f"{format_count(read)} read = {parts}",
            ]
        )

    def _about_others(self) -> list[str]:
        if self.differences is not None:
            found = self.unshown + len(self.examples)
            return [f"all {counted(found, 'difference')} written to {self.differences}"] if found else []
        if not self.unshown:
            return []
        return [
            f"{counted(self.unshown, 'more difference')} not shown: --differences FILE writes all of them"
        ]


def _example_line(example: Example) -> str:
    record = "" if example.record is None else f"record {format_count(example.record)}, "
    found = "is missing" if example.found is None else f"holds {_clip(example.found)}"
    return f"{record}key {_clip(example.key)} {found}, the source has {_clip(example.expected)}"


def _clip(value: bytes, limit: int = 60) -> str:
    if len(value) <= limit:
        return repr(value)[1:]
    return f"{repr(value[:limit])[1:]}... ({format_bytes(len(value))})"


def _example_as_dict(example: Example) -> dict[str, Any]:
    def text(value: bytes | None) -> str | None:
        return None if value is None else value.decode("utf-8", "backslashreplace")

    return {
        "record": example.record,
        "key": text(example.key),
        "expected": text(example.expected),
        "found": text(example.found),
    }
