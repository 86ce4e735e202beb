"""Loads in this process, and what happens to them meanwhile in another thread: no start-up to wait for."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import etl.job.lock as lock
import etl.pipeline.plan as planning
import etl.sink.deployments.standalone as standalone
import etl.sink.session.pipelined as conversation
from etl.cli.main import main
from etl.options import TargetOptions
from tests.fault.commands import Ended, connection_of
from tests.support import RecordingProxy, data_keys

HELD_BYTES = 110_000
"""Where a worker's first connection is held: behind the first block of an input of RECORDS, in its second."""

RECORDS = 1_200


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of load: its options, and how its data look at the end."""

    options: tuple[str, ...]
    look: Callable[[Any], object]
    expected: Callable[[int], object]


def line(number: int) -> bytes:
    return b"%-99d" % number


def _strings(client: Any) -> object:
    keys = data_keys(client)
    return dict(zip(keys, client.mget(keys), strict=True)) if keys else {}


def _hashes(client: Any) -> object:
    return {key: client.hgetall(key) for key in data_keys(client)}


def _list(client: Any) -> object:
    return sorted(client.lrange("all", 0, -1))


KINDS: dict[str, Kind] = {
    "strings": Kind((), _strings, lambda count: {b"%d" % n: line(n) for n in range(count)}),
    "hashes": Kind(
        ("--as", "hash", "--wire", "hset"),
        _hashes,
        lambda count: {b"%d" % n: {b"line": line(n)} for n in range(count)},
    ),
    "list": Kind(
        ("--command", "RPUSH all {line}"), _list, lambda count: sorted(line(n) for n in range(count))
    ),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def write_input(folder: Path, count: int = RECORDS) -> Path:
    """Write numbered lines of 100 bytes."""
    path = folder / "input.txt"
    path.write_bytes(b"".join(line(n) + b"\n" for n in range(count)))
    return path


def assert_loaded(client: Any, kind: str, count: int = RECORDS) -> None:
    """Make sure that the target equals the source: nothing lost, nothing doubled."""
    found, expected = KINDS[kind].look(client), KINDS[kind].expected(count)
    assert found == expected


def assert_no_leftovers(client: Any) -> None:
    """Make sure that a run has left its record, and neither lock nor marks."""
    keys = client.keys("etl:*")
    assert not [key for key in keys if key.endswith(b":lock")]
    for key in keys:
        assert not [field for field in client.hkeys(key) if field.startswith(b"mark:")]


def complete(ended: Ended, count: int = RECORDS) -> Ended:
    """Make sure that all records were read and written."""
    assert ended.code == 0, ended
    assert ended.records == {"read": count, "written": count, "skipped": 0, "rejected": 0}
    return ended


@dataclass(frozen=True, slots=True)
class Here:
    """The command line in this process, with one worker."""

    capsys: pytest.CaptureFixture[str]
    folder: Path

    def run(self, *args: str | os.PathLike[str]) -> Ended:
        """Run a command with ``--json``; no progress is shown unless asked for."""
        self.capsys.readouterr()
        shown = () if "--progress" in args else ("--progress", "none")
        workers = () if "--workers" in args else ("--workers", "1")
        rejects = ("--rejects", str(self.folder / "rejects.jsonl")) if args[0] == "load" else ()
        code = main([*(os.fspath(arg) for arg in args), *workers, *shown, *rejects, "--json"])
        return Ended(code, *self.capsys.readouterr())

    def load(self, file: Path, url: str, kind: str, *options: str) -> Ended:
        """Load a file as one of KINDS."""
        return self.run("load", file, "--to", url, *KINDS[kind].options, *options)


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Here:
    return Here(capsys, tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is given up after 0.3 seconds of silence, and not after 30."""
    opened = standalone.open

    @contextlib.contextmanager
    def open(url: str, options: TargetOptions) -> Iterator[standalone.StandaloneTarget]:
        with opened(url, options) as target:
            yield replace(target, read_timeout_s=0.3)

    monkeypatch.setattr(standalone, "open", open)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 100 records, one of them in flight at a time: so that marks are left on the way."""
    monkeypatch.setattr(planning, "block_size", lambda nbytes, workers: 10_000)
    monkeypatch.setattr(conversation, "INFLIGHT_BYTES", 1)


@pytest.fixture
def short_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock expires after a second and a half, not after 30 seconds."""
    monkeypatch.setattr(lock, "_LOCK_MS", b"1500")
    monkeypatch.setattr(lock, "RENEW_EVERY_S", 0.1)


@contextlib.contextmanager
def meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Take these steps one after the other in another thread while this is entered; all must be taken."""
    failures: list[BaseException] = []

    def take() -> None:
        try:
            for step in steps:
                step()
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread below
            failures.append(failure)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    yield
    thread.join(40)
    assert not thread.is_alive(), "a step is still going on"
    if failures:
        raise failures[0]


def hold_worker(proxy: RecordingProxy, after: int = HELD_BYTES) -> Callable[[], None]:
    """Hold the worker's first connection in the middle; give the step that waits for this moment."""
    proxy.hold("to_server", after=after, client="redis-etl-0")
    return lambda: proxy.wait_for(after + 1, connection=connection_of(proxy, 0))
