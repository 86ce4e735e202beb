"""Whether a run may go on with what an earlier one has left unfinished. Pure."""

from __future__ import annotations

from etl.errors import SourceError
from etl.job.fields import Head, PrepassResult
from etl.job.spec import JobSpec, ResumePoint
from etl.plan import Completed


def left_unfinished(
    title: str, task: JobSpec, head: Head, done: Completed, passed: PrepassResult | None
) -> ResumePoint:
    """Return where a job that was not finished stands, for this task.

    Raises SourceError where it was begun with another task, and anything was done.
    """
    same_source = head.source == task.source
    if not (same_source and head.template == task.template):
        if not _begun(done):
            return ResumePoint()
        what = "options that say what becomes of a record" if same_source else "sources"
        raise SourceError(
            f"{title} was not finished, and its {what} have changed: give --restart to load from"
            " the beginning, or what it was begun with to go on"
        )
    return ResumePoint(block_bytes=head.block_bytes, done=done, passed=passed, attempts=len(head.attempts))


def _begun(done: Completed) -> bool:
    """Return True if any worker has done anything that another task could not stand for."""
    return any(mark.block >= 0 or mark.partial >= 0 for mark in done.marks)
