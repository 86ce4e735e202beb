"""What both verbs do: find the sources, open the target, plan, run, report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from etl.encode.examples import Words
from etl.encode.mapping import Shape
from etl.errors import EtlError, UsageError
from etl.job.state import Job, Standing, Task
from etl.limits import require_descriptors
from etl.options import MOST_WORKERS, Options
from etl.output.progress import choose_mode, notice
from etl.pipeline.attempts import Undertaking, task_of
from etl.pipeline.execution import Run
from etl.pipeline.fields import explained
from etl.pipeline.outcome import Outcome
from etl.pipeline.preflight import Guard
from etl.pipeline.resolve import projection_of
from etl.plan import Encoder, Plan, Source, Target, block_size
from etl.report import Rejected, parse_budget
from etl.run.choose import make_tally
from etl.run.runners.processes import make_context
from etl.run.signals import StopSignals
from etl.sink.address import Address, parse_address
from etl.sink.control import Console
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.login import address_of, refuse_login
from etl.source.choose import choose_source
from etl.times import parse_duration
from etl.units import MIB
from etl.worker.messages import LastWord, StopFlag

EMBEDDED = "embedded:"

UNKNOWN_SIZE = 1 << 40
"""What a stream is taken for whose size nobody knows."""

BYTES_WORTH_A_WORKER = 4 * MIB
"""A worker takes about 50 ms to start, in which another one loads this much."""


@dataclass(frozen=True, slots=True)
class Encoders:
    """What a verb does with records: ``before`` is a pass before it, ``single`` sends records one by one."""

    main: Encoder
    single: Encoder
    before: Encoder | None = None

    def always(self) -> tuple[Encoder, ...]:
        """Give those that every run uses: ``single`` has commands that hardly any run needs."""
        return (self.main, *((self.before,) if self.before else ()))


class Verb(Protocol):
    """What differs between the verbs."""

    @property
    def name(self) -> str: ...

    def shape(self, source: Source) -> Shape:
        """Say what records become. Raises UsageError, before anybody is connected to."""

    def encoders(self, shape: Shape) -> Encoders:
        """Make the encoders. Raises UsageError."""

    def commands(self, job: Job, shape: Shape) -> tuple[Words, ...]:
        """Give an example of each command that the verb needs beside those of its encoders."""

    def claimed(
        self, job: Job, task: Task, shape: Shape, signals: StopSignals
    ) -> AbstractContextManager[Standing]:
        """Have the job to oneself while entered; give where it stands. Raises EtlError."""

    def settle(self, shape: Shape, target: Target, job: str, stop: StopFlag) -> Shape:
        """Settle what only the server can tell. Raises TargetError."""

    def planned(self, plan: Plan, shape: Shape) -> Plan:
        """Add to a plan what only this verb's options say."""

    def rejected(self, job: str) -> Rejected | None:
        """Say where the rejects of a run are, when there are any; None: they were written nowhere."""

    def run(
        self, run: Run, undertaking: Undertaking, before: Encoder | None
    ) -> tuple[list[LastWord], EtlError | None]:
        """Run; give the workers' last words, and the error that ended the run."""


def carry_out(verb: Verb, sources: Sequence[Any], options: Options) -> Outcome:
    """Plan and run one verb; give its outcome. Raises EtlError where the run has not begun."""
    started_at = time.monotonic()
    with StopSignals() as signals:
        source = choose_source(sources, options)
        shape = verb.shape(source)
        encoders = verb.encoders(shape)
        templates = [*encoders.main.templates, *(encoders.before.templates if encoders.before else ())]
        projection = projection_of(options, templates, source)
        with _opened_target(_place(options)) as (target, name), contextlib.ExitStack() as held:
            workers = options.workers or _worth(source)
            require_descriptors(workers)
            context = make_context(options.start_method) if workers > 1 else None
            # A server of our own that ends does not come back.
            retry_for_s = 0.0 if target.own else options.retry_for
            mode = choose_mode(options.progress)
            target = target.met("redis-etl", signals, retry_for_s, lambda text: notice(mode, text))
            console = held.enter_context(contextlib.closing(Console(target, signals)))
            may_vanish = getattr(options, "allow_eviction", False)
            keep_s = parse_duration(getattr(options, "keep_record", "30d"))
            job = Job(_job_name(source, name, options), _token(), console, may_vanish, keep_s)
            guard = Guard.ask(target, options, encoders.always(), source, signals, verb.commands(job, shape))
            task = task_of(source, shape, options)
            settled = verb.settle(shape, target, job.name, signals)
            encoders = verb.encoders(settled)
            guard.permit(encoders.always())
            with verb.claimed(job, task, shape, signals) as standing:
                tally = make_tally(context, workers)
                if standing.unchanged:
                    return Outcome(verb.name, job.name, name, tally, (), time.monotonic() - started_at, None)
                size = standing.block_bytes or block_size(
                    UNKNOWN_SIZE if source.nbytes is None else source.nbytes, workers
                )
                plan = Plan(
                    source=source,
                    projection=projection,
                    target=target,
                    encoder=encoders.main,
                    single=encoders.single,
                    blocks=None if source.streamed else tuple(source.blocks(size)),
                    workers=workers,
                    split=options.split,
                    progress=mode,
                    budget=parse_budget(options.max_rejects),
                    rejects=None,
                    block_bytes=size,
                )
                if plan.blocks is not None and source.nbytes is not None:
                    # What is in no block (a header) is done from the beginning.
                    outside = source.nbytes - sum(block.nbytes for block in plan.blocks)
                    tally.set(workers, "bytes_done", outside)
                undertaking = Undertaking(job, task, standing)
                run = Run(verb.planned(plan, settled), context, signals, tally, guard.loss)
                with guard.watching(tally, options.retry_for):
                    words, error = verb.run(run, undertaking, encoders.before)
                error = explained(error, templates, projection, source)
                seconds = time.monotonic() - started_at
                rejected = verb.rejected(job.name) if tally.total("records_rejected") else None
                return Outcome(
                    verb.name,
                    job.name,
                    name,
                    tally,
                    tuple(words),
                    seconds,
                    error,
                    undertaking.resumed_from,
                    rejected,
                )


def _place(options: Options) -> Address | str:
    """Give the server's address, or the folder of an embedded one. Raises UsageError."""
    url = options.url()
    if not url.startswith(EMBEDDED):
        return address_of(url, options)
    refuse_login(options)
    folder = url.removeprefix(EMBEDDED)
    if not folder:
        raise UsageError(f"--to {EMBEDDED} needs a folder, where the data are kept: --to {EMBEDDED}FOLDER")
    return folder


@contextlib.contextmanager
def _opened_target(place: Address | str) -> Iterator[tuple[StandaloneTarget, str]]:
    """Give the target and its name for people; an embedded server runs while this is entered."""
    if isinstance(place, Address):
        target = StandaloneTarget(place)
        yield target, str(target)
        return
    from etl.sink.embedded.server import opened

    with opened(place) as server_url:
        yield StandaloneTarget(parse_address(server_url), own=True), f"{EMBEDDED}{place}"


def _worth(source: Source) -> int:
    """Choose the number of workers: one a core, but none that would take longer to start than to help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if source.nbytes is None:
        return min(cores, MOST_WORKERS)
    return max(1, min(cores, MOST_WORKERS, source.nbytes // BYTES_WORTH_A_WORKER))


def _job_name(source: Source, target: str, options: Options) -> str:
    """Derive a job's name from what makes two runs the same job: sources, target and templates."""
    if (given := getattr(options, "job", None)) is not None:
        return str(given)
    digest = hashlib.sha256()
    parts = (
        *source.names,
        target,
        options.key or "{#}",
        options.as_ or "",
        options.value or "",
        *options.command,
    )
    if options.pack is not None:
        parts += (str(options.pack),)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    stem = os.path.basename(source.names[0]).partition(".")[0] if source.names else ""
    clean = "".join(letter if letter.isalnum() else "-" for letter in stem)[:40] or "job"
    return f"{clean}-{digest.hexdigest()[:8]}"


def _token() -> str:
    """Name this run, for people and among all others."""
    return f"{platform.node()} process {os.getpid()}/{secrets.token_hex(8)}"
