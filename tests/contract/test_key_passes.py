"""Passes over the keys by worker processes: what they find, and what ends them."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from etl.encode.strategies.set import SetEncoder
from etl.errors import DiedError, TargetError
from etl.job.state import PrepassResult
from etl.pipeline.execution import Run
from etl.pipeline.settle_keys import settle_keys
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.run.runners.processes import ProcessRunner, make_context
from etl.run.signals import StopSignals
from etl.template import Template
from tests.contract.folder import FolderTarget
from tests.unit.given import VALUE, source_of, template
from tests.unit.memory import lines_in, plan_for

# From Python 3.12 on a fork warns where there are threads, and Arrow has some.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

KEY = template("{line}")
LOAD = SetEncoder(KEY, VALUE, (), "replace")
WORKERS = 3


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run over 10,000 lines, each of 100 of which is there ten times."""
    lines = [b"%d" % (number % 100 if number % 10 == 0 else number) for number in range(10_000)]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    plan = plan_for(
        source_of(tmp_path / "in", [b"\n".join(lines)]),
        FolderTarget(tmp_path / "out"),
        encoder=LOAD,
        single=LOAD,
        block_bytes=5_000,
        workers=WORKERS,
    )
    with StopSignals() as signals:
        runner = ProcessRunner(make_context("fork"))
        yield Run(plan, runner, signals, runner.counters(WORKERS))


def settled(run: Run, folder: Path, **more: Any) -> PrepassResult:
    try:
        return settle_keys(run, KEY, **{"keeps": "last", "folder": str(folder / "keys"), "memory": 1, **more})
    finally:
        assert not (folder / "keys").exists()


@pytest.mark.parametrize(("method", "split"), [("fork", "record"), ("forkserver", "block")])
def test_workers_find_together_which_records_stay(run: Run, tmp_path: Path, method: str, split: str) -> None:
    runner = ProcessRunner(make_context(method))
    run = replace(run, runner=runner, plan=replace(run.plan, split=split))
    passed = settled(run, tmp_path)
    assert run.plan.blocks is not None
    plan = replace(
        run.plan,
        blocks=tuple(replace(block, skip_mask=passed.present.get(block.number)) for block in run.plan.blocks),
    )
    replace(run, plan=plan).results()
    target = plan.target
    assert isinstance(target, FolderTarget)
    loaded = [path.read_bytes().split(b"\r\n")[4::7] for path in target.folder.iterdir()]
    keys = [key for some in loaded for key in some]
    assert len(keys) == len(set(keys)) == run.counters.total("records_written")
    assert passed.superseded == 10_000 - len(keys)
    assert sorted(set(keys)) == sorted(set(lines_of(run)))


def lines_of(run: Run) -> list[bytes]:
    reader = run.plan.source.open(run.plan.projection)
    try:
        return [
            line
            for block in run.plan.blocks or ()
            for batch in reader.read(block)
            for line in lines_in(batch)
        ]
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class KilledEncoder:
    """Is killed at the line 20, if that is seen by any worker."""

    @property
    def templates(self) -> tuple[Template, ...]:
        return LOAD.templates

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        if b"20" in lines_in(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        return LOAD.split_encodable(batch)

    def keys(self, batch: Batch) -> Any:
        return LOAD.keys(batch)

    def encode(self, batch: Batch) -> Wire:
        return LOAD.encode(batch)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        return LOAD.read_replies(batch, wire, replies)


def test_a_worker_that_dies_ends_the_passes_which_may_be_made_again(run: Run, tmp_path: Path) -> None:
    killed = replace(run, plan=replace(run.plan, encoder=KilledEncoder()))
    with pytest.raises(DiedError, match="killed") as caught:
        settled(killed, tmp_path)
    assert caught.value.restartable
    assert settled(run, tmp_path).superseded > 0


def test_a_disk_that_is_full_ends_the_passes_with_what_there_has_to_be_room_for(
    run: Run, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(TargetError, match=f"keys/.*{os.strerror(errno.EFBIG)}: there has to be room"):
            settled(run, tmp_path, memory=1 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
