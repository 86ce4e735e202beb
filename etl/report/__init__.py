"""What a run has done: counters while it runs, the report at its end, the limit of rejects. Pure."""

from etl.report.reject_limit import Budget, parse_budget
from etl.report.report import (
    COUNTED,
    COUNTERS,
    Difference,
    Example,
    Refusal,
    Rejected,
    Report,
    Tally,
    Verdict,
    WorkerReport,
)

__all__ = [
    "COUNTED",
    "COUNTERS",
    "Budget",
    "Difference",
    "Example",
    "Refusal",
    "Rejected",
    "Report",
    "Tally",
    "Verdict",
    "WorkerReport",
    "parse_budget",
]
