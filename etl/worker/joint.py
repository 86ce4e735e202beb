"""Records with several keys, in a cluster: written when the commands of all keys have gone well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from etl.plan import Batch, BatchResult, Difference, Gathered, Refusal


@dataclass(slots=True)
class Joint:
    """The records of ``batch``, of which ``outstanding`` pieces have no answer yet."""

    batch: Batch
    outstanding: int = 0
    refusals: dict[int, Refusal] = field(default_factory=dict)
    differences: dict[int, Difference] = field(default_factory=dict)
    gathered: Gathered | None = None
    written: bool = False
    skipped: bool = False

    def add(self, result: BatchResult, rejected: Iterable[Refusal], places: pa.Array, again: int) -> None:
        """Note what became of a piece; ``again`` pieces of it are sent again, ``places`` are its records'."""
        self.outstanding += again - 1
        self.written = self.written or result.written > 0
        self.skipped = self.skipped or result.skipped > 0
        for refusal in rejected:
            place = places[refusal.index].as_py()
            self.refusals.setdefault(place, Refusal(place, refusal.reason))
        for difference in result.differences:
            place = places[difference.index].as_py()
            known = self.differences.get(place)
            if known is None or known.found is None:
                self.differences[place] = Difference(
                    place, difference.key, difference.expected, difference.found
                )
        if result.gathered is not None:
            before = self.gathered
            self.gathered = result.gathered if before is None else before.and_also(result.gathered)

    def result(self) -> BatchResult:
        """Return what became of all records."""
        refusals = tuple(self.refusals[place] for place in sorted(self.refusals))
        differences = tuple(
            self.differences[place] for place in sorted(self.differences) if place not in self.refusals
        )
        missing = sum(difference.found is None for difference in differences)
        rest = len(self.batch) - len(refusals) - len(differences)
        return BatchResult(
            written=rest if self.written else 0,
            skipped=rest if self.skipped and not self.written else 0,
            equal=0 if self.written or self.skipped else rest,
            missing=missing,
            different=len(differences) - missing,
            refusals=refusals,
            differences=differences,
            gathered=self.gathered,
        )
