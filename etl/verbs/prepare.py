"""What both verbs do: find the sources, open the target, plan, run, report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from etl.budget import Budget, parse_budget
from etl.control import Failed, Finished, LastWord
from etl.encode.passes import ClearEncoder
from etl.encode.types import Shape
from etl.encode.wire import Wire
from etl.errors import EtlError, InterruptedRunError, RejectedError, UsageError
from etl.options import MOST_WORKERS, Options
from etl.plan import NO_FIELDS, Batch, Encoder, Plan, Source, Target, block_size
from etl.progress import choose_mode
from etl.rejects import RejectFile
from etl.report import Tally
from etl.run.plans import make_tally, run_plan
from etl.run.processes import make_context
from etl.run.signals import StopSignals
from etl.source.choose import choose_source
from etl.target.address import parse_address
from etl.target.console import ask_once
from etl.target.replies import failure
from etl.target.standalone import StandaloneTarget
from etl.units import MIB
from etl.verbs.outcome import Outcome
from etl.verbs.shape import projection_of

EMBEDDED = "embedded:"

BYTES_WORTH_A_WORKER = 4 * MIB
"""A worker takes about 50 ms to start, in which another one loads this much."""


@dataclass(frozen=True, slots=True)
class Encoders:
    """What a verb does with records: ``before`` is a pass before it, ``single`` sends records one by one."""

    main: Encoder
    single: Encoder
    before: Encoder | None = None


class Verb(Protocol):
    """What differs between the verbs."""

    @property
    def name(self) -> str: ...

    def shape(self, source: Source) -> Shape:
        """Say what records become. Raises UsageError, before anybody is connected to."""

    def encoders(self, shape: Shape) -> Encoders:
        """Make the encoders. Raises UsageError."""

    def settle(self, shape: Shape, target: Target, job: str) -> Shape:
        """Settle what only the server can tell. Raises TargetError."""


def carry_out(verb: Verb, sources: Sequence[Any], options: Options) -> Outcome:
    """Plan and run one verb; give its outcome. Raises EtlError where the run has not begun."""
    started_at = time.monotonic()
    with StopSignals() as signals:
        source = choose_source(sources, options)
        shape = verb.shape(source)
        encoders = verb.encoders(shape)
        templates = [*encoders.main.templates, *(encoders.before.templates if encoders.before else ())]
        projection = projection_of(options, templates, source)
        with _opened_target(options.url()) as (target, name):
            workers = options.workers or _worth(source)
            context = make_context(options.start_method) if workers > 1 else None
            target.connect("redis-etl").close()  # refused now rather than by every worker
            job = _job_name(source, name, options)
            rejects = _reject_file(source, job, options) if verb.name == "load" else None
            encoders = verb.encoders(verb.settle(shape, target, job))
            size = block_size(source.nbytes or 0, workers)
            plan = Plan(
                source=source,
                projection=projection,
                target=target,
                encoder=encoders.main,
                single=encoders.single,
                blocks=None if source.streamed else tuple(source.blocks(size)),
                workers=workers,
                split=options.split,
                progress=choose_mode(options.progress),
                budget=parse_budget(options.max_rejects),
                rejects=rejects,
            )
            tally = make_tally(context, workers)
            run = Run(plan, context, signals, tally)
            error = None
            words: list[LastWord] = []
            try:
                if encoders.before is not None:
                    run = run.after_pass(encoders.before)
                words = run.words()
                error = _first_error(run, words)
            except EtlError as failure:
                error = failure
            seconds = time.monotonic() - started_at
            return Outcome(verb.name, job, name, tally, tuple(words), seconds, error)


@dataclass(frozen=True, slots=True)
class Run:
    """A plan and what it takes to run it."""

    plan: Plan
    context: Any
    signals: StopSignals
    tally: Tally

    def words(self) -> list[LastWord]:
        """Run the plan; give the workers' last words."""
        return run_plan(self.plan, self.context, self.signals, self.tally)

    def after_pass(self, before: Encoder) -> Run:
        """Run a pass over the keys; give the run that is left. Raises EtlError when the pass fails.

        The pass counts for itself, but for records that it has settled: they are passed over later.
        """
        if isinstance(before, ClearEncoder) and (wire := before.once()) is not None:
            self._ask_once(before, wire)
            return self
        if self.plan.blocks is None:
            raise UsageError(
                "this --if-exists has to look at all keys before the first record is written, and a stream"
                " can be read only once: give a file, or --if-exists merge"
            )
        tally = make_tally(self.context, self.plan.workers)
        plan = replace(self.plan, encoder=before, single=before, progress="none", preliminary=True)
        own = replace(self, plan=plan, tally=tally)
        words = own.words()
        error = _first_error(own, words)
        present: dict[int, bytes] = {}
        for word in words:
            if isinstance(word, Finished):
                for number, bits in word.present.items():
                    present[number] = _either(present.get(number, b""), bits)
        for worker in range(self.plan.workers):
            for counter in ("records_skipped", "records_rejected"):
                self.tally.add(worker, counter, tally.of(worker, counter))
                self.tally.add(worker, "records_read", tally.of(worker, counter))
        if error is not None:
            raise error
        blocks = tuple(replace(block, passed_over=present.get(block.number)) for block in self.plan.blocks)
        return replace(self, plan=replace(self.plan, blocks=blocks))

    def _ask_once(self, encoder: Encoder, wire: Wire) -> None:
        replies = ask_once(self.plan.target, wire)
        for refusal in encoder.judge(Batch(NO_FIELDS, rows=1), wire, replies).refusals:
            raise failure(refusal.reason, self.plan.target)


def _either(one: bytes, other: bytes) -> bytes:
    """Give the bits that are set in one or the other (with --split record two workers know of a block)."""
    length = max(len(one), len(other))
    joined = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return joined.to_bytes(length, "little")


@contextlib.contextmanager
def _opened_target(url: str) -> Iterator[tuple[StandaloneTarget, str]]:
    """Give the target and its name for people; an embedded server runs while this is entered."""
    if not url.startswith(EMBEDDED):
        target = StandaloneTarget(parse_address(url))
        yield target, str(target)
        return
    from etl.embedded import opened

    folder = url.removeprefix(EMBEDDED)
    with opened(folder) as server_url:
        yield StandaloneTarget(parse_address(server_url)), f"{EMBEDDED}{folder}"


def _worth(source: Source) -> int:
    """Choose the number of workers: one a core, but none that would take longer to start than to help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if source.nbytes is None:
        return min(cores, MOST_WORKERS)
    return max(1, min(cores, MOST_WORKERS, source.nbytes // BYTES_WORTH_A_WORKER))


def _job_name(source: Source, target: str, options: Options) -> str:
    """Derive a job's name from what makes two runs the same job: sources, target and templates."""
    digest = hashlib.sha256()
    parts = (*source.names, target, options.key, options.as_ or "", options.value or "", *options.command)
    if options.pack is not None:
        parts += (str(options.pack),)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    stem = os.path.basename(source.names[0]).partition(".")[0] if source.names else ""
    clean = "".join(letter if letter.isalnum() else "-" for letter in stem)[:40] or "job"
    return f"{clean}-{digest.hexdigest()[:8]}"


def _reject_file(source: Source, job: str, options: Options) -> RejectFile:
    """Give the file for rejects, without those of an earlier run. Raises UsageError where it is a source."""
    rejects = RejectFile(options.rejects or f"rejects-{job}.jsonl")
    if os.path.realpath(rejects.path) in source.names:
        raise UsageError(f"--rejects {rejects.path} is one of the sources: give another file")
    rejects.forget()
    return rejects


def _first_error(run: Run, words: Sequence[LastWord]) -> EtlError | None:
    """Choose the error that tells why the run ended: a failure before the signal that it may have caused."""
    errors = [word.error for word in words if isinstance(word, Failed)]
    for error in errors:
        if not isinstance(error, InterruptedRunError):
            return error
    if errors:
        return errors[0]
    if run.signals.stopping and not run.tally.finished():
        return run.signals.error()
    try:
        run.plan.source.verify_unchanged()
    except EtlError as error:
        return error
    return _over_budget(run.plan.budget, run.tally)


def _over_budget(budget: Budget, tally: Tally) -> EtlError | None:
    rejected, read = tally.total("records_rejected"), tally.total("records_read")
    if not budget.spent(rejected, read, ended=True):
        return None
    return RejectedError(
        f"{rejected:,} of {read:,} records were rejected; {budget} are allowed (--max-rejects)"
    )
