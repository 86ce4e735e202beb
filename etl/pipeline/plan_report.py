"""What ``plan`` says of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.options import flag_of
from etl.pipeline.plan_file import PlanFile
from etl.units import counted, format_bytes, listed

_MOST_FIELDS = 12


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan for people and for programs; ``out`` is the file where it is (None: nowhere).

    ``fields`` are those of every record; None where only the records tell.
    """

    plan: PlanFile
    fields: tuple[str, ...] | None
    out: str | None

    rejects_line = None
    exit_code = 0

    @property
    def records(self) -> int | None:
        """Number of records of the sources; None where it is not known before they are read."""
        counts = [None] if self.plan.blocks is None else [block.records for block in self.plan.blocks]
        return None if None in counts else sum(count or 0 for count in counts)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain data for JSON, without its blocks."""
        plan = self.plan
        return {
            "job": plan.job,
            "target": plan.target,
            "sources": list(plan.sources),
            "fields": None if self.fields is None else list(self.fields),
            "options": dict(plan.options),
            "bytes": plan.nbytes,
            "records": self.records,
            "blocks": None if plan.blocks is None else len(plan.blocks),
            "plan": self.out,
        }

    def summary(self) -> str:
        """Return the lines for people."""
        plan = self.plan
        size = "of unknown size" if plan.nbytes is None else format_bytes(plan.nbytes)
        records = "" if self.records is None else f", {counted(self.records, 'record')}"
        blocks = "" if plan.blocks is None else f", {counted(len(plan.blocks), 'block')}"
        lines = [f"from   {listed(plan.sources)}", f"       {size}{records}{blocks}"]
        if self.fields:
            more = (
                f", and {len(self.fields) - _MOST_FIELDS:,} more" if len(self.fields) > _MOST_FIELDS else ""
            )
            lines.append(f"       fields {', '.join(self.fields[:_MOST_FIELDS])}{more}")
        lines.append(f"to     {plan.target}, as job {plan.job}")
        if plan.options:
            lines.append("with   " + " ".join(map(_option, plan.options.items())))
        if self.out is not None:
            lines.append(
                f"written to {self.out}; run each shard, 0 to N-1, somewhere:"
                f" redis-etl load --plan {self.out} --shard 0/N"
            )
        return "\n".join(lines)


def _option(pair: tuple[str, Any]) -> str:
    name, value = pair
    if value is True:
        return flag_of(name)
    values = value if isinstance(value, list) else [value]
    return " ".join(f"{flag_of(name)} {one!r}" for one in values)
