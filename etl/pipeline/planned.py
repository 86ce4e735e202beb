"""From ``--plan`` to the options and sources of a run: the plan's, and what is said of this run beside it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from etl.errors import SourceError, UsageError
from etl.options import LoadOptions, as_given, flag, given
from etl.pipeline.plan_file import PlanFile, read_plan
from etl.plan import Source
from etl.shards import ShardNumber
from etl.sink.shared_url import same_place
from etl.source.planned import WHOLE, PlannedSource

OF_THE_RUN = frozenset(
    {
        *("to", "user", "password_file", "ask_password"),
        *("workers", "runner", "start_method", "stall", "retry_for", "progress"),
        *("rejects", "restart", "skip_unchanged", "wait_lock"),
    }
)
"""Options that may be given beside ``--plan``: they say how it is run, and win over the plan's."""

_BESIDE_A_PLAN = OF_THE_RUN | {"plan", "shard", "shards", "differences"}

NEVER_KEPT = frozenset(
    {
        *("to", "password_file", "ask_password", "database", "sql"),
        *("job", "runner", "restart", "plan", "shard", "shards", "shared_path"),
    }
)
"""Options that are not among a plan's: secrets, what has a place of its own there, or is of one run."""

AnyOptions = TypeVar("AnyOptions", bound=LoadOptions)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was made earlier, and the shard of it that is run (None: all of it, as a whole).

    ``driver`` is the token of the run that has this one run the shard, and may stop it; empty: there is none.
    """

    plan: PlanFile
    shard: ShardNumber | None = None
    driver: str = ""

    def source(self, source: Source) -> PlannedSource:
        """Return the plan's part of a source, which must be what it was. Raises SourceError."""
        if source.fingerprint != self.plan.fingerprint:
            raise SourceError(
                "the sources are not what the plan was made from: their names, sizes or times of change are"
                " others here; make the plan again with redis-etl plan, or put them back"
            )
        return PlannedSource(source, self.plan.blocks, self.shard or WHOLE)


def planned(
    options: AnyOptions, sources: Sequence[Any], environment: Mapping[str, str] = os.environ
) -> tuple[AnyOptions, Sequence[Any], Planned | None]:
    """Return the options and sources of a run, and its plan if ``--plan`` names one.

    Raises UsageError for a plan that cannot be read, and for what contradicts it.
    """
    if options.plan is None:
        if options.shard is not None:
            raise UsageError(
                "--shard needs --plan FILE, which says what the shards are of: redis-etl plan SOURCE... --out"
                " FILE writes one"
            )
        return options, sources, None
    if sources:
        raise UsageError("--plan names the sources itself: give no source beside it")
    plan = read_plan(options.plan)
    merged = with_plan(options, plan, environment)
    return merged, plan.sources, Planned(plan, options.shard)


def with_plan(options: AnyOptions, plan: PlanFile, environment: Mapping[str, str] = os.environ) -> AnyOptions:
    """Return a plan's options, with those of this run. Raises UsageError for one that contradicts it."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    for name in plan.options:
        if name not in fields or name in NEVER_KEPT:
            raise UsageError(f"the plan has an option {name!r}, which this release does not know: update it")
    own = {name for name in OF_THE_RUN if given(options, name)}
    changes = {name: value for name, value in plan.options.items() if name not in own}
    changes |= {"job": plan.job, "to": _target(options, plan, environment)}
    merged = dataclasses.replace(options, **changes)
    for name, field in fields.items():
        if name in _BESIDE_A_PLAN or not given(options, name):
            continue
        if name in changes and getattr(options, name) == getattr(merged, name):
            continue
        has = f"has {as_given(field, getattr(merged, name))}" if name in changes else "has none"
        raise UsageError(f"{flag(field)} contradicts the plan, which {has}: leave it out, or make a new plan")
    return merged


def kept_options(options: LoadOptions) -> dict[str, Any]:
    """Return the options that a plan keeps, as JSON has them: those that were given."""
    kept: dict[str, Any] = {}
    for name, field in {field.name: field for field in dataclasses.fields(LoadOptions)}.items():
        if name not in NEVER_KEPT and given(options, name):
            value = as_given(field, getattr(options, name))
            kept[name] = list(value) if isinstance(value, tuple) else value
    return kept


def _target(options: LoadOptions, plan: PlanFile, environment: Mapping[str, str]) -> str | None:
    """Return the URL to connect to: what is given here may have a password, but leads to the same place."""
    if options.to is not None:
        if not same_place(options.to, plan.to):
            raise UsageError(f"--to leads to another target than the plan's, which is {plan.target}")
        return options.to
    here = environment.get("REDIS_URL")
    return here if here and same_place(here, plan.to) else plan.to
