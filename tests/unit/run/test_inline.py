"""Inline: one shard in the calling process."""

from __future__ import annotations

from pathlib import Path

from etl.control import Failed, Finished
from etl.errors import TargetError
from etl.plan import Plan
from etl.report import Tally
from etl.run.inline import run_inline
from etl.run.signals import StopSignals
from etl.source.lines import LinesSource
from tests.unit.given import files_of
from tests.unit.memory import MemoryTarget, PairsEncoder


def plan_of(folder: Path, content: bytes, target: MemoryTarget, workers: int = 1) -> Plan:
    source = LinesSource(files_of(folder, [content]))
    blocks = tuple(source.blocks(1 << 20, numbered=True))
    return Plan("job", source, target, PairsEncoder(), blocks, workers, "block", "none")


def test_a_shard_is_run_and_the_idle_workers_have_finished(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, b"a\nb\n", MemoryTarget(), workers=3)
    tally = Tally([0] * Tally.size(3), 3)
    (message,) = run_inline(plan, tally, StopSignals())
    assert isinstance(message, Finished)
    assert tally.finished()
    assert [tally.of(worker, "records_written") for worker in range(3)] == [2, 0, 0]


def test_nothing_to_read_is_done_at_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, b"", MemoryTarget())
    tally = Tally([0] * Tally.size(1), 1)
    assert isinstance(run_inline(plan, tally, StopSignals())[0], Finished)
    assert tally.finished()


def test_a_failure_is_the_last_word(tmp_path: Path) -> None:
    target = MemoryTarget(plan={"fails_at": 0, "failure": TargetError("gone")})
    tally = Tally([0] * Tally.size(1), 1)
    (message,) = run_inline(plan_of(tmp_path, b"a\n", target), tally, StopSignals())
    assert isinstance(message, Failed)
    assert str(message.error) == "gone"
    assert not tally.finished()


def test_a_stop_that_was_asked_for_before_is_obeyed(tmp_path: Path) -> None:
    signals = StopSignals()
    signals.received.append(15)
    target = MemoryTarget()
    tally = Tally([0] * Tally.size(1), 1)
    run_inline(plan_of(tmp_path, b"a\n", target), tally, signals)
    assert target.sessions[0].wires == []
    assert not tally.finished()
