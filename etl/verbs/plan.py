"""The verb ``plan``: what a load would do, and the plan that shards of it run by, anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etl.options import LoadOptions, PlanOptions

if TYPE_CHECKING:
    from etl.pipeline.plan_report import PlanReport

HELP = "show what a load would do, or write it to a file, for shards that run anywhere; writes no data"
OPTIONS = PlanOptions
COUNTS: tuple[str, ...] = ()


def run(options: PlanOptions, sources: Sequence[Any]) -> PlanReport:
    """Return the report of a plan, which is written if ``--out`` says where. Raises EtlError."""
    from etl.errors import UsageError
    from etl.options import flag_of, given
    from etl.output.notice import choose_mode, log_notice
    from etl.pipeline.plan_report import PlanReport
    from etl.pipeline.planning import make_plan_file
    from etl.run.signals import StopSignals

    own = {"out", "shared_path"}
    names = [field.name for field in dataclasses.fields(PlanOptions) if field.name not in own]
    of_load = LoadOptions(**{name: getattr(options, name) for name in names})
    for name in ("restart", "runner") if options.out is not None else ():
        if given(of_load, name):
            raise UsageError(f"{flag_of(name)} is not kept in a plan: give it to redis-etl load --plan FILE")
    with StopSignals() as signals:
        planning = make_plan_file(
            sources, of_load, signals, shared=options.shared_path, to_file=options.out is not None
        )
    if options.out is not None:
        planning.plan.write(options.out)
        for notice in planning.notices:
            log_notice(choose_mode(options.progress), notice)
    return PlanReport(planning.plan, planning.source.fields, options.out)
