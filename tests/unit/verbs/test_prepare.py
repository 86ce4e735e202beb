"""What both verbs share: how many workers, which error counts, and what a job is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from etl.control import Failed, Finished
from etl.errors import EtlError, InterruptedRunError, SourceError, TargetError, UsageError
from etl.options import LoadOptions
from etl.plan import Plan
from etl.report import Example, Report, Tally
from etl.run.signals import StopSignals
from etl.source.lines import LinesSource
from etl.verbs import prepare
from etl.verbs.load import load
from etl.verbs.prepare import Outcome
from tests.unit.given import files_of
from tests.unit.memory import MemoryTarget, PairsEncoder

STOPPED = InterruptedRunError("stopped", 2)
GONE = TargetError("gone")


@pytest.mark.parametrize(
    ("nbytes", "cores", "workers"),
    [(0, 8, 1), (1, 8, 1), (8 << 20, 8, 2), (1 << 40, 4, 4), (1 << 40, 64, 8), (1 << 40, 1, 1)],
)
def test_a_worker_a_core_but_none_that_takes_longer_to_start_than_it_helps(
    monkeypatch: pytest.MonkeyPatch, nbytes: int, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert prepare._worth(nbytes) == workers


def outcome(
    folder: Path, *messages: Finished | Failed, stopping: bool = False, finished: int = 0
) -> EtlError | None:
    source = LinesSource(files_of(folder, [b"a\n"]))
    plan = Plan("job", source, MemoryTarget(), PairsEncoder(), (), 2, "block", "none")
    tally = Tally([0] * Tally.size(2), 2)
    for worker in range(finished):
        tally.add(worker, "finished", 1)
    signals = StopSignals()
    if stopping:
        signals.received.append(15)
    return prepare._first_error(plan, tally, messages, signals)


def test_a_failure_counts_before_the_signal_that_may_have_caused_it(tmp_path: Path) -> None:
    assert outcome(tmp_path, Failed(0, 0, STOPPED), Failed(1, 0, GONE)) is GONE
    assert outcome(tmp_path, Failed(0, 0, STOPPED), Finished(1, 0)) is STOPPED


def test_a_signal_counts_unless_every_worker_has_finished(tmp_path: Path) -> None:
    done = (Finished(0, 0), Finished(1, 0))
    error = outcome(tmp_path, *done, stopping=True, finished=1)
    assert isinstance(error, InterruptedRunError)
    assert error.exit_code == 143
    assert outcome(tmp_path, *done, stopping=True, finished=2) is None


def test_a_source_that_changed_unnoticed_fails_a_run_that_went_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome(tmp_path, Finished(0, 0), finished=2) is None
    monkeypatch.setattr(LinesSource, "verify_unchanged", lambda self: (_ for _ in ()).throw(SourceError("x")))
    assert isinstance(outcome(tmp_path, Finished(0, 0), finished=2), SourceError)


def reported(error: EtlError | None, *messages: Finished | Failed, verb: str = "load") -> Report:
    tally = Tally([0] * Tally.size(2), 2)
    for worker, count in ((0, 3), (1, 4)):
        tally.add(worker, "records_read", count)
        tally.add(worker, "records_written", count)
        tally.add(worker, "blocks_done", 1)
        tally.add(worker, "bytes_done", 10 * count)
    return Outcome(verb, "job", "redis://host", tally, messages, error).report(1.5)


def test_a_report_is_folded_from_counts_and_last_words() -> None:
    report = reported(None, Finished(1, 0.25), Finished(0, 0.5))
    assert (report.status, report.error, report.bytes, report.seconds) == ("complete", None, 70, 1.5)
    assert report.records == {"read": 7, "written": 7, "skipped": 0, "rejected": 0}
    assert [(w.records, w.blocks, w.seconds) for w in report.workers] == [(3, 1, 0.5), (4, 1, 0.25)]


def test_a_report_of_a_failed_run_has_its_status_and_error() -> None:
    assert (reported(GONE).status, reported(GONE).error) == ("failed", "gone")
    assert reported(STOPPED).status == "interrupted"
    assert [worker.seconds for worker in reported(GONE).workers] == [0.0, 0.0]


def test_examples_of_all_workers_are_put_in_order_and_the_first_are_shown() -> None:
    def examples(*numbers: int) -> tuple[Example, ...]:
        return tuple(Example(number, b"k", b"v", None) for number in numbers)

    report = reported(None, Finished(0, 1, examples(5, 9, 70)), Finished(1, 1, examples(1, 8, 80)))
    assert [example.record for example in report.examples] == [1, 5, 8, 9, 70]


def test_a_job_is_named_by_its_source_target_and_template(tmp_path: Path) -> None:
    def name(content: str = "part-0.txt", target: str = "t", **options: str) -> str:
        source = LinesSource(files_of(tmp_path, [b"a", b"b"]))
        one = LinesSource(tuple(file for file in source.files if file.path.endswith(content)))
        return prepare._job_name(one, target, LoadOptions(**options))  # type: ignore[arg-type]

    assert name() == name()
    assert name().startswith("part-0-")
    different = {name(), name("part-1.txt"), name(target="u"), name(key="k:{#}")}
    assert len(different) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": "{id}"}, "--key names the field {id}"),
        ({"key": "{"}, "lone {"),
        ({"to": "http://host"}, "the target's URL starts with"),
        ({"nothing": 1}, "there is no option 'nothing'"),
        ({"workers": 0}, "--workers 0"),
    ],
)
def test_a_usage_error_is_raised_before_anything_is_connected_to(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    (tmp_path / "a").write_bytes(b"x\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "a", **{"to": "redis://127.0.0.1:1", **changes})
    assert says in str(caught.value)
    assert caught.value.report is None
