"""The verb ``status``: where a job stands, as the target has it; asked from anywhere, and only read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from etl.errors import UsageError
from etl.options import LoadOptions, TargetOptions, options_class

if TYPE_CHECKING:
    from etl.job.status import JobStatus

HELP = "show where a job stands: state, counts, shards; only reads"
POSITIONAL = ("JOB", "the name of a job, as load and plan report it")


@options_class
class StatusOptions(TargetOptions):
    """Options of ``status``: those of the target."""

    WRITES: ClassVar[bool] = False


OPTIONS = StatusOptions
COUNTS: tuple[str, ...] = ()


def run(options: StatusOptions, jobs: Sequence[Any]) -> JobStatus:
    """Return the status of the one job that is named. Raises UsageError for an unknown one, TargetError."""
    from etl.job.place import placed
    from etl.job.state import Job
    from etl.job.status import read_status
    from etl.pipeline.connect import connect
    from etl.run.signals import StopSignals

    if len(jobs) != 1:
        raise UsageError("status takes the name of one job: redis-etl status JOB")
    (name,) = jobs
    of_target = LoadOptions(
        to=options.to,
        user=options.user,
        password_file=options.password_file,
        ask_password=options.ask_password,
        tls_insecure=options.tls_insecure,
        job=name,
        progress="none",
        retry_for=0,
    )
    with StopSignals() as signals, connect(of_target, signals) as connected:
        job = Job(name, "", connected.control)
        if connected.target.clustered:
            job = placed(job, signals)
        job.set_target(connected.target)
        status = read_status(job)
        if status is None:
            raise UsageError(
                f"{connected.target} knows no job {name!r}: it was never begun, or its record expired"
            )
        return status
