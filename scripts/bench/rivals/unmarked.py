"""The loader without its care: no preflight, no job record, no lock, no marks. What is left is the load.

Usage: unmarked.py ARGUMENTS OF redis-etl ...
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from etl.cli.main import main
from etl.job.state import ResumePoint
from etl.options import LoadOptions
from etl.pipeline import execute, preflight
from etl.pipeline.claim import JobRun, job_spec
from etl.pipeline.execution import Ended, Run
from etl.pipeline.loading import Load
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import Resolved
from etl.run.process.hide_libraries import hide_libraries
from etl.sink.preflight.facts import Findings


@contextlib.contextmanager
def claim(resolved: Resolved, checked: Preflight, options: LoadOptions, _: Any) -> Iterator[JobRun]:
    yield JobRun(checked.job, job_spec(resolved.source, checked.work.mapping, options), ResumePoint())


def run(self: Load, run: Run, *_: Any) -> Ended:
    results = run.results()
    return Ended(tuple(results), run.first_error(results))


if __name__ == "__main__":
    hide_libraries()
    setattr(preflight, "read_server_facts", lambda *_: Findings())  # noqa: B010 - patched, on purpose
    setattr(execute, "claim", claim)  # noqa: B010
    setattr(Load, "run", run)  # noqa: B010
    sys.exit(main(sys.argv[1:]))
