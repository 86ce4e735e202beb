"""The door to the runners: which one carries out a plan, and with how many workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import LoadOptions
from etl.run.choose import open_runner, worker_count
from etl.run.runners import processes
from etl.run.runners.inline import InlineRunner
from etl.run.runners.processes import ProcessRunner
from etl.run.signals import StopSignals
from tests.cases import cases
from tests.unit.given import source_of
from tests.unit.memory import plan_for


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which runners plans were given to; none is carried out, and no process is made ready for any."""
    ran: list[str] = []
    monkeypatch.setattr(processes, "make_context", lambda method: ran.append("made ready"))
    monkeypatch.setattr(InlineRunner, "run", lambda *given: ran.append("inline"))
    monkeypatch.setattr(ProcessRunner, "run", lambda *given: ran.append("processes"))
    return ran


@cases(
    ("options", "workers", "lines", "runners"),
    [
        ({}, 1, 4, ["inline"]),
        ({}, 3, 4, ["made ready", "processes"]),
        ({}, 3, 1, ["made ready", "inline"]),
        ({}, 3, 0, ["made ready", "inline"]),
        ({"runner": "processes"}, 1, 4, ["made ready", "processes"]),
        ({"runner": "inline"}, 1, 4, ["inline"]),
    ],
)
def test_a_plan_goes_to_the_runner_that_was_named_or_that_suits_it(
    options: dict[str, Any], workers: int, lines: int, runners: list[str], tmp_path: Path, ran: list[str]
) -> None:
    ran.clear()
    plan = plan_for(source_of(tmp_path, [b"a\n" * lines]), workers=workers, block_bytes=2)
    runner = open_runner(LoadOptions(**options), workers)
    runner.run(plan, InlineRunner().counters(workers), StopSignals())
    assert ran == runners


def test_a_runner_has_no_more_workers_than_it_can_have(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a\n"])
    assert worker_count(LoadOptions(workers=40), source) == 40
    assert worker_count(LoadOptions(runner="processes", workers=40), source) == 40
    assert worker_count(LoadOptions(runner="inline"), source) == 1
    with pytest.raises(UsageError, match="--runner inline has at most 1, not --workers 2"):
        worker_count(LoadOptions(runner="inline", workers=2), source)


def test_options_of_other_runners_are_refused() -> None:
    with pytest.raises(UsageError, match="--start-method has no effect with --runner inline"):
        open_runner(LoadOptions(runner="inline", start_method="spawn"), 1)
