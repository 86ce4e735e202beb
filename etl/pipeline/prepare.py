"""The steps from a target's URL to a job that this run has to itself, for a server and for a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from etl.options import LoadOptions
from etl.pipeline.claim import JobRun, claim
from etl.pipeline.connect import reached
from etl.pipeline.preflight import Preflight, preflight
from etl.pipeline.read_twice import read_twice
from etl.pipeline.replaceable import preflight_replication
from etl.pipeline.resolve import Resolved
from etl.pipeline.to_file import claimed_file
from etl.pipeline.to_folder import empty_folder_as_file
from etl.plan import Target
from etl.run.signals import StopSignals
from etl.sink.choose import opened_target
from etl.sink.rdb_file.target import RdbFileTarget


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a plan is made of; ``target`` is what the report calls it, ``resolved`` what is read by now."""

    target: str
    resolved: Resolved
    checked: Preflight
    job_run: JobRun


@contextlib.contextmanager
def prepared(resolved: Resolved, options: LoadOptions, signals: StopSignals) -> Iterator[Prepared]:
    """Yield what a run needs; target and job are there while this is entered. Raises EtlError."""
    with contextlib.ExitStack() as entered:
        opened: Target | None = entered.enter_context(empty_folder_as_file(resolved, options))
        if opened is None:
            opened = entered.enter_context(opened_target(options))
        if isinstance(opened, RdbFileTarget):
            target: Target = opened
            checked, job_run = entered.enter_context(claimed_file(resolved, opened, options, signals))
        else:
            connected = entered.enter_context(reached(opened, options, signals))
            target = connected.target
            ask = preflight_replication if resolved.work.replaces_all else preflight
            checked = ask(resolved, connected, options, signals)
            job_run = entered.enter_context(claim(resolved, checked, options, signals))
        resolved = entered.enter_context(read_twice(resolved, checked.work.settle))
        yield Prepared(target.name, resolved, checked, job_run)
