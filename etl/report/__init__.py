"""What a run has done: counters while it runs, the report at its end, the limit of rejects. Pure."""

from etl.report.counters import COUNTERS, Counters
from etl.report.reject_limit import Budget, parse_budget
from etl.report.report import COUNTED, Example, Rejected, Report, WorkerReport

__all__ = [
    "COUNTED",
    "COUNTERS",
    "Budget",
    "Counters",
    "Example",
    "Rejected",
    "Report",
    "WorkerReport",
    "parse_budget",
]
