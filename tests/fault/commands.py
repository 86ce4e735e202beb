"""Commands in the middle of their work: started, brought to a known place, and looked at when they end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, Signals
from typing import IO, Any

import pytest

from etl.cli.main import main
from tests.support import REPO, RecordingProxy, Started, alive, children_of, end_cli, in_session, wait_until
from tests.support.launcher import FORK_SERVER, RESOURCE_TRACKER

START_METHODS = ("fork", "forkserver", "spawn")

LINE_BYTES = 1_000
MIDDLE_BYTES = 1_500_000
"""Where a connection is held: behind the commands of its first block (1 MiB), in those of its second."""

MORE_THAN_IN_FLIGHT = 36_000_000
"""Input of which two workers leave something unread however much they have in flight (8 MiB each)."""

SOON_S = 4.0
"""What is left of a command must be gone by then: before a worker without a parent gives up by itself."""


def write_lines(path: Path, nbytes: int) -> Path:
    """Write numbered lines of LINE_BYTES bytes, about ``nbytes`` in all."""
    with open(path, "w") as file:
        for number in range(nbytes // LINE_BYTES):
            file.write(f"{number:<{LINE_BYTES - 1}}\n")
    return path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The report of a command with ``--json``."""
        return dict(json.loads(self.stdout))

    @property
    def records(self) -> dict[str, int]:
        return dict(self.report["records"])

    @property
    def sentence(self) -> str:
        """What stderr says: exactly one line, besides the one that tells where the rejects are."""
        lines = [line for line in self.stderr.splitlines() if " rejected: see " not in line]
        assert len(lines) == 1, self
        assert lines[0].startswith("redis-etl: "), self
        return lines[0].removeprefix("redis-etl: ")


class Command:
    """A command in a session of its own."""

    def __init__(self, process: Started) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: Signals, *, to_all: bool = False) -> None:
        """Send a signal to the parent, or to the whole process group as a terminal and systemd do."""
        if to_all:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def signal_and_wait(self, number: Signals, *, to_all: bool = False) -> None:
        """Send a signal and return when the parent has taken it, has acted on it, and waits again.

        Two equal signals sent one right after the other are one signal.
        """
        slept = _times_slept(self.pid)
        self.signal(number, to_all=to_all)
        wait_until(
            lambda: not self.running or _times_slept(self.pid) > slept,
            what=f"the command to act on {number.name}",
        )

    def maps(self, library: str) -> bool:
        """Return True if the parent has loaded a shared library."""
        return library in _read(f"/proc/{self.pid}/maps")

    def workers(self) -> list[int]:
        """Return the process ids of the workers, in the order in which they were started."""
        workers: list[int] = []
        for child in children_of(self.pid):
            command, name = _read(f"/proc/{child}/cmdline"), _read(f"/proc/{child}/comm").strip()
            if "multiprocessing.resource_tracker" in command or "redis-server" in command:
                continue
            if name == RESOURCE_TRACKER:
                continue
            is_fork_server = "multiprocessing.forkserver" in command or name == FORK_SERVER
            workers += children_of(child) if is_fork_server else [child]
        return workers

    def wait_for_workers(self, count: int) -> list[int]:
        return wait_until(lambda: w if len(w := self.workers()) == count else [], what=f"{count} workers")

    def wait_for_stderr(self, text: str) -> str:
        """Read stderr up to a line with this text, and return that line."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if text in line:
                return line
        raise AssertionError(f"stderr ended without {text!r}")

    def end(self, *, soon_s: float = SOON_S) -> Ended:
        """Wait for the end; what is left of the session must be gone soon, and no traceback be seen."""
        code = self._process.wait(60)
        wait_until(lambda: not in_session(self.pid), soon_s, f"the end of {in_session(self.pid)}")
        stdout, stderr = (text or "" for text in self._process.communicate())  # None: it was no pipe
        assert "Traceback" not in stdout + stderr, stderr
        return Ended(code, stdout, stderr)

    def clean_up(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, SIGCONT)
        end_cli(self._process)


StartCommand = Callable[..., Command]


def run_here(capsys: pytest.CaptureFixture[str], *args: str | os.PathLike[str]) -> Ended:
    """Run the command line in this process, which takes a tenth of the time; without workers of its own."""
    capsys.readouterr()
    code = main([*(os.fspath(arg) for arg in args), "--workers", "1", "--progress", "none", "--json"])
    return Ended(code, *capsys.readouterr())


def start_python(
    *args: str | os.PathLike[str],
    stdin: int | IO[str] = subprocess.DEVNULL,
    cwd: Path | None = None,
    path: Path = REPO,
) -> subprocess.Popen[str]:
    """Start Python with these arguments; it finds the project, and first what is in ``path``."""
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return subprocess.Popen(
        [sys.executable, *(os.fspath(arg) for arg in args)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(path), str(REPO)])},
        start_new_session=True,
    )


def hold_in_the_middle(proxy: RecordingProxy) -> None:
    """Have the proxy stop every worker's commands in the middle."""
    proxy.hold("to_server", after=MIDDLE_BYTES)


def wait_for_the_middle(proxy: RecordingProxy, workers: int) -> None:
    """Return when every worker has sent more than the proxy lets through."""
    for worker in range(workers):
        proxy.wait_for(MIDDLE_BYTES + 1, connection=connection_of(proxy, worker))


def connection_of(proxy: RecordingProxy, worker: int) -> int:
    """Wait for a worker's first connection, and give its number."""
    return proxy.wait_for_client(f"redis-etl-{worker}")


def wait_until_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(alive, pids)), SOON_S, f"the end of {pids}")


def _times_slept(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines())
    return int(lines.get("voluntary_ctxt_switches", "0"))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
