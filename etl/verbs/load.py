"""The verb ``load``: records of files, tables and queries become keys in Redis."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from etl.budget import Budget
from etl.control import LastWord
from etl.encode.example import Words
from etl.encode.restore_probe import objection, probe
from etl.encode.types import Shape
from etl.errors import EtlError, StoppedError, TargetError, UsageError
from etl.job.lock import locked
from etl.job.record import Job, Standing, Task
from etl.option_values import parse_rate
from etl.options import LoadOptions, merged, shows_options
from etl.plan import Encoder, Plan, Rate, Source, Target
from etl.progress import choose_mode, notice
from etl.rejects import RejectFile
from etl.report import Report
from etl.run.signals import StopSignals
from etl.target.console import ask_once
from etl.verbs.prepare import Encoders, carry_out
from etl.verbs.rounds import Undertaking, run_rounds
from etl.verbs.run import Run
from etl.verbs.shape import shape_of


@shows_options(LoadOptions)
def load(*sources: Any, options: LoadOptions | None = None, **changes: Any) -> Report:
    """Load records into Redis with N worker processes; every reply is checked.

    ``sources`` are paths, globs, folders, URIs, ``-`` for standard input; or one Python object: anything
    with the Arrow PyCapsule interface (a table of pyarrow, pandas, polars, DuckDB, ...) or an iterable of
    dicts. The options are keywords (``to=``, ``key=``, ``as_=``, ``workers=``, ...; see ``LoadOptions``), or
    ``options`` with those keywords on top. Gives the Report of a complete run; raises EtlError (UsageError,
    SourceError, TargetError, ...) for everything else, whose ``report`` says how far the run came. In a
    script, call it under ``if __name__ == "__main__":``, as multiprocessing demands.
    """
    chosen = merged(LoadOptions, options, changes)
    return carry_out(Load(chosen), sources, chosen).report_or_raise()


@dataclass(frozen=True, slots=True)
class Load:
    """The Verb ``load`` (``etl/verbs/prepare.py``)."""

    options: LoadOptions

    name = "load"

    def shape(self, source: Source) -> Shape:
        shape = shape_of(self.options, source)
        self._warn_of_the_past(shape)
        if self.options.wire == "restore" and not shape.may_restore:
            raise UsageError(
                "--wire restore is for hashes (--as hash) that replace, skip or fail, and for packed strings"
                " (--pack) that replace"
            )
        return shape

    def _warn_of_the_past(self, shape: Shape) -> None:
        expiry = shape.expiry
        if expiry is None or expiry.word != "PXAT" or not expiry.value.constant:
            return
        (milliseconds,) = expiry.value.parts
        assert isinstance(milliseconds, bytes)
        if int(milliseconds) < time.time() * 1000:
            mode = choose_mode(self.options.progress)
            notice(mode, f"--expire-at {self.options.expire_at} is in the past: the keys are gone at once")

    def encoders(self, shape: Shape) -> Encoders:
        return Encoders(shape.encoder(), shape.single(), shape.before())

    def commands(self, job: Job, shape: Shape) -> tuple[Words, ...]:
        script = () if shape.repeatable else ((b"EVAL", b"return 1", b"1", job.key),)
        return (*job.commands, *script)

    @contextlib.contextmanager
    def claimed(self, job: Job, task: Task, signals: StopSignals) -> Iterator[Standing]:
        options = self.options
        with contextlib.ExitStack() as held:
            if not job.target.own:
                held.enter_context(locked(job, options.wait_lock, signals, signals.stop_for))
            standing = job.standing(task, restart=options.restart)
            mode = choose_mode(options.progress)
            if standing.unchanged and options.skip_unchanged:
                notice(mode, f"job {job.name} is complete and nothing has changed: nothing to do")
                yield standing
            else:
                yield replace(standing, unchanged=False)

    def planned(self, plan: Plan, shape: Shape) -> Plan:
        options = self.options
        rate = None if options.max_rate is None else Rate(*parse_rate(options.max_rate))
        return replace(
            plan,
            fenced=not shape.repeatable,
            replicas=options.wait_replicas,
            rate=rate,
            stall_s=options.stall or None,
        )

    def run(
        self, run: Run, undertaking: Undertaking, before: Encoder | None
    ) -> tuple[list[LastWord], EtlError | None]:
        rejects = RejectFile(self.options.rejects or f"rejects-{undertaking.job.name}.jsonl")
        _make_room_for(rejects, run.plan.source, undertaking.standing)
        if self.options.rejects is not None or run.plan.budget != Budget(count=0):
            rejects.require_writable()
        run = replace(run, plan=replace(run.plan, rejects=rejects))
        try:
            return run_rounds(run, undertaking, before)
        except StoppedError:
            return [], run.signals.error()
        except EtlError as error:
            return [], error

    def settle(self, shape: Shape, target: Target, job: str) -> Shape:
        """Ask the server whether hashes can go by RESTORE. Raises TargetError where they must and cannot."""
        forms = () if self.options.wire == "hset" else shape.forms
        objections = []
        for form in forms:
            try:
                why_not = objection(ask_once(target, probe(f"etl:{{{job}}}:probe".encode(), form)), form)
            except TargetError as error:  # there are servers that hang up on what they do not know
                why_not = str(error)
            if why_not is None:
                return replace(shape, restores=form)
            objections.append(why_not)
        if self.options.wire == "restore":
            raise TargetError(f"{target} takes no RESTORE: {objections[0]}; give --wire hset")
        return shape


def _make_room_for(rejects: RejectFile, source: Source, standing: Standing) -> None:
    """Take away what an earlier run left, unless this one goes on. Raises UsageError, SourceError."""
    if os.path.realpath(rejects.path) in source.names:
        raise UsageError(f"--rejects {rejects.path} is one of the sources: give another file")
    if not standing.resumes:
        rejects.forget()
