"""The command line as a real process, and what /proc tells about processes."""

from __future__ import annotations

import atexit
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tests.support.launcher import REPO as REPO
from tests.support.launcher import Launched, Launcher

T = TypeVar("T")

Started = subprocess.Popen[str] | Launched
"""A command that runs, or has run."""


@functools.cache
def launcher() -> Launcher:
    """Return the process that this one's commands are forked from; it is started when first asked for."""
    started = Launcher()
    atexit.register(started.close)
    return started


def run_cli(
    *args: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    timeout: float = 60,
    cwd: str | os.PathLike[str] | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m etl ARGS`` to its end and return exit code, stdout and stderr as text.

    ``env``, ``cwd`` and ``fresh`` are those of ``start_cli``. Without ``input`` stdin is empty. After
    ``timeout`` seconds the whole process group is killed: nothing is left behind.
    """
    process = start_cli(
        *args,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        fresh=fresh,
    )
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except BaseException:
        end_cli(process)
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)


def start_cli(
    *args: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
    patch: str = "",
    fresh: bool = False,
) -> Started:
    """Start ``python -m etl ARGS`` in a session (and process group) of its own, for tests with signals.

    stdout and stderr are pipes: end with ``communicate()`` or ``end_cli()``; ``stderr`` may be a terminal's
    descriptor. The command is forked from a process that has imported what it needs
    (``tests/support/launcher.py``), unless it is to be ``fresh`` or the environment has something to say to
    Python. ``patch`` is Python that a forked one runs first.
    """
    environment = environment_of_commands(env or {})
    words = [os.fspath(arg) for arg in args]
    if not fresh and _said_to_python(environment) == _SAID_TO_PYTHON:
        return launcher().start(words, env=environment, cwd=cwd, stdin=stdin, stderr=stderr, patch=patch)
    assert not patch
    return subprocess.Popen(
        [sys.executable, "-m", "etl", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=cwd,
        env=environment,
        start_new_session=True,
    )


def environment_of_commands(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without REDIS_URL, with this project on PYTHONPATH, and ``more``."""
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    paths = (str(REPO), environment.get("PYTHONPATH", ""))
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path), **more}


def _said_to_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what tells Python where to look for modules, and how to read and write."""
    whatever = "PYTHONDONTWRITEBYTECODE"  # forked or not, it changes nothing that a test sees
    return {n: value for n, value in environment.items() if n.startswith("PYTHON") and n != whatever}


_SAID_TO_PYTHON = _said_to_python(environment_of_commands({}))


def end_cli(process: Started) -> tuple[str, str]:
    """Kill what is left of a started command and its group, and return its stdout and stderr."""
    for pid in in_session(process.pid):
        _kill(pid)
    return process.communicate()


def heed_signals() -> None:
    """Have processes that are started from here take the signals that this one was started to ignore.

    A shell script has what it runs with ``&`` ignore SIGINT and SIGQUIT, ``nohup`` SIGHUP, and that is
    inherited. With a handler in its place, which does nothing, this process ignores them as before, and a
    program that it starts has the default.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


def children_of(pid: int) -> list[int]:
    """Return the living direct children of a process, in the order in which they were started.

    The numbers of processes begin again at 1 some time: they tell the order within a clock tick only.
    """
    children = [(stat[4], child) for child, stat in _living() if stat[1] == pid]
    return [child for _, child in sorted(children)]


def descendants_of(pid: int) -> list[int]:
    """Return its living children, their children and so on (workers are children of the forkserver)."""
    children = children_of(pid)
    return children + [deeper for child in children for deeper in descendants_of(child)]


def in_session(session: int) -> list[int]:
    """Return the living processes of a session: also those whose parent is gone.

    A command from ``start_cli`` has the session ``process.pid``.
    """
    return [pid for pid, stat in _living() if stat[3] == session]


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not yet collected (a zombie) does not."""
    return _stat(pid) is not None


def wait_until(
    predicate: Callable[[], T], timeout_s: float = 60, what: str = "the condition", *, closely: bool = False
) -> T:
    """Return the first true result of ``predicate``, or fail the test after ``timeout_s`` seconds.

    What takes longer is asked about less often: many predicates ask servers, or read all of /proc, and what
    waits beside them needs the processor. ``closely`` is for what is soon over again.
    """
    started = time.monotonic()
    while not (result := predicate()):
        waited_s = time.monotonic() - started
        if waited_s > timeout_s:
            raise AssertionError(f"waited {timeout_s} seconds in vain for {what}")
        time.sleep(_OFTEN_S if closely else min(max(_OFTEN_S, waited_s / 16), _SELDOM_S))
    return result


_OFTEN_S, _SELDOM_S = 0.005, 0.04


def _living() -> list[tuple[int, tuple[str, int, int, int, int]]]:
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [(pid, stat) for pid in pids if (stat := _stat(pid))]


def _stat(pid: int) -> tuple[str, int, int, int, int] | None:
    """Return state, parent, group, session and the tick of the start, or None for a process that is over."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name may hold anything
    state, parent, group, session, started = *fields[:4], fields[19]
    return None if state in "ZX" else (state, int(parent), int(group), int(session), int(started))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
