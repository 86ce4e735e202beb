"""What both verbs do before and after their workers: open the target, plan, run, report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from etl.control import Failed, Finished, Message
from etl.errors import EtlError, InterruptedRunError
from etl.options import MOST_WORKERS, Options
from etl.plan import Encoder, Plan, Source, block_size
from etl.progress import choose_mode
from etl.report import Report, Tally, WorkerReport
from etl.run.inline import run_inline
from etl.run.processes import make_context, run_processes
from etl.run.signals import StopSignals
from etl.source.files import find_files
from etl.source.lines import LinesSource
from etl.target.address import parse_address
from etl.target.standalone import StandaloneTarget
from etl.template import NUMBER, parse_template
from etl.units import MIB
from etl.worker import MOST_EXAMPLES

EMBEDDED = "embedded:"

EncoderFor = Callable[[Source], Encoder]

BYTES_WORTH_A_WORKER = 4 * MIB
"""A worker takes about 50 ms to start, in which another one loads this much."""


def carry_out(verb: str, sources: Sequence[str], options: Options, encoder_for: EncoderFor) -> Report:
    """Plan and run one verb; give its report.

    ``encoder_for`` makes the encoder for the source that was found. Raises EtlError, with the report so far
    where the run had begun.
    """
    started_at = time.monotonic()
    with StopSignals() as signals:
        source = LinesSource(find_files(sources), strip=options.strip)
        encoder = encoder_for(source)
        with _opened_target(options.url()) as (target, name):
            workers = options.workers or _worth(source.nbytes)
            context = make_context(options.start_method) if workers > 1 else None
            target.connect("redis-etl").close()  # refused now rather than by every worker
            plan = Plan(
                job=_job_name(source, name, options),
                source=source,
                target=target,
                encoder=encoder,
                blocks=tuple(source.blocks(block_size(source.nbytes, workers), numbered=_counts(options))),
                workers=workers,
                split=options.split,
                progress=choose_mode(options.progress),
            )
            if context is None or plan.busy_workers() <= 1:
                tally = Tally([0] * Tally.size(workers), workers)
                messages = run_inline(plan, tally, signals)
            else:
                messages, tally = run_processes(plan, context, signals)
            error = _first_error(plan, tally, messages, signals)
            outcome = Outcome(verb, plan.job, name, tally, messages, error)
            report = outcome.report(time.monotonic() - started_at)
    if error is not None:
        error.report = report
        raise error
    return report


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


def _worth(nbytes: int) -> int:
    """Choose the number of workers: one a core, but none that would take longer to start than to help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST_WORKERS, nbytes // BYTES_WORTH_A_WORKER))


def _counts(options: Options) -> bool:
    """Say whether records are told by number, which costs a counting pass over the input."""
    return options.split == "record" or NUMBER in parse_template(options.key, option="--key").fields


def _job_name(source: LinesSource, target: str, options: Options) -> str:
    """Derive a job's name from what makes two runs the same job: sources, target and template."""
    stem = os.path.basename(source.files[0].path).partition(".")[0] or "job"
    digest = hashlib.sha256()
    for part in (*(os.path.realpath(file.path) for file in source.files), target, options.key):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return f"{stem}-{digest.hexdigest()[:8]}"


def _first_error(
    plan: Plan, tally: Tally, messages: Sequence[Message], signals: StopSignals
) -> EtlError | None:
    """Choose the error that tells why the run ended: a failure before the signal that it may have caused."""
    errors = [message.error for message in messages if isinstance(message, Failed)]
    for error in errors:
        if not isinstance(error, InterruptedRunError):
            return error
    if errors:
        return errors[0]
    if signals.stopping and not tally.finished():
        return signals.error()
    try:
        plan.source.verify_unchanged()
    except EtlError as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run's report is folded from."""

    verb: str
    job: str
    target: str
    tally: Tally
    messages: Sequence[Message]
    error: EtlError | None

    def report(self, seconds: float) -> Report:
        """Fold counts and last words into the report."""
        spent = {message.worker: message.seconds for message in self.messages}
        workers = tuple(
            WorkerReport(
                records=self.tally.of(worker, "records_read"),
                blocks=self.tally.of(worker, "blocks_done"),
                seconds=spent.get(worker, 0.0),
            )
            for worker in range(self.tally.workers)
        )
        examples = [
            example
            for message in self.messages
            if isinstance(message, Finished)
            for example in message.examples
        ]
        examples.sort(key=lambda example: -1 if example.record is None else example.record)
        return Report(
            verb=self.verb,
            status="complete" if self.error is None else self.error.status,
            job=self.job,
            target=self.target,
            records={name: self.tally.total(f"records_{name}") for name in _COUNTED[self.verb]},
            bytes=self.tally.total("bytes_done"),
            seconds=seconds,
            workers=workers,
            examples=tuple(examples[:MOST_EXAMPLES]),
            error=None if self.error is None else str(self.error),
        )


_COUNTED = {
    "load": ("read", "written", "skipped", "rejected"),
    "verify": ("read", "equal", "missing", "different"),
}
