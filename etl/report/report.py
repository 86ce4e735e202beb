"""What a run has done: counts while it runs, a report at its end. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from etl.units import counted, format_bytes, format_count, format_seconds

COUNTED = {
    "load": ("read", "written", "skipped", "rejected"),
    "verify": ("read", "equal", "missing", "different", "rejected"),
}
"""What a report counts, by verb; the first is the sum of the others."""

SUPERSEDED = "superseded"
"""What a load counts besides, where it writes each key once: records whose key a later record has."""


_MAX_NODES = 6


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker's part: records it read, blocks it finished, seconds from its start to its end."""

    records: int
    blocks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Example:
    """A difference for people: record number (None if unknown), key, expected and found bytes."""

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
    ``written``, ``skipped``, ``rejected`` and, where each key is written once, ``superseded`` (verify:
    ``read``, ``equal``, ``missing``, ``different``) to counts; ``target`` holds no secret; ``bytes`` is the
    part of the input that is done. ``rejected`` says where rejects were written (None: there are none, or
    nowhere), ``differences`` where all differences were. ``nodes``: of a cluster, how many records each
    node has answered for in the run's last attempt (a record with keys at several nodes counts at each of
    them); of several files, how many are in each.
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
    nodes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_no_run(cls, verb: str, counts: Iterable[str], status: str, error: str) -> Report:
        """Return the report of a run that has not begun: ``counts`` are 0, job and target None."""
        return cls(
            verb=verb,
            status=status,
            job=None,
            target=None,
            records=dict.fromkeys(counts, 0),
            bytes=0,
            seconds=0.0,
            workers=(),
            error=error,
        )

    @property
    def rate(self) -> float:
        """Records a second of this run alone: what an earlier one has read of the job does not count."""
        read = max(0, self.records.get("read", 0) - (self.resumed_from or 0))
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
        """Return the report as plain data for JSON."""
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
        if self.nodes:
            report["nodes"] = dict(self.nodes)
        if self.error is not None:
            report["error"] = self.error
        return report

    def summary(self) -> str:
        """Return the lines for people; the last one reconciles the counts."""
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
                f" {self._where()}",
                f"{format_count(read)} read" + (f" = {parts}" if parts else ""),
            ]
        )

    def _where(self) -> str:
        """Return the target, and the part of each of its nodes."""
        if not self.nodes:
            return f"{self.target}"
        shown = sorted(self.nodes.items())[:_MAX_NODES]
        parts = ", ".join(f"{node} {format_count(records)}" for node, records in shown)
        more = ", ..." if len(self.nodes) > len(shown) else ""
        noun = "file" if (self.target or "").startswith("rdb:") else "node"
        return f"{self.target}, {counted(len(self.nodes), noun)}: {parts}{more}"

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
