"""What a run has done: counters while it runs, the report at its end, the limit of rejects. Pure."""

from etl.report.counters import COUNTERS, Counters
from etl.report.reject_limit import RejectLimit, parse_reject_limit
from etl.report.report import COUNTED, SUPERSEDED, Example, Rejected, Report, WorkerReport

__all__ = [
    "COUNTED",
    "COUNTERS",
    "SUPERSEDED",
    "Counters",
    "Example",
    "RejectLimit",
    "Rejected",
    "Report",
    "WorkerReport",
    "parse_reject_limit",
]
