# ruff: noqa: SIM115 - what is opened here stays open for as long as a command runs
"""Commands that start warm: forked from a process that has imported what a load imports.

To start Python, Arrow and redis-py costs 0.6 CPU seconds, a fork 10 ms, and the suite starts hundreds of
commands. What is forked is a process like any other: it has a session, streams, an environment and a working
folder of its own, takes signals, and ends through ``etl.__main__.run``. What a test says of the start itself,
of Python's own end, of memory or of /proc wants a fresh process (``start_cli(fresh=True)``).

multiprocessing's fork server, resource tracker and workers of ``spawn`` are forked from the command in the
same way, where they would be Python started anew (``_fork_helper``).

The launcher is asked through a socket: a message has the command as JSON, and with it travel the descriptors
of stdin, stdout and stderr, and of a pipe on which the launcher writes how the command has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import util
from pathlib import Path
from typing import IO, Any, NoReturn

REPO = Path(__file__).resolve().parents[2]

FORK_SERVER, RESOURCE_TRACKER, SPAWNED = "etl-forkserver", "etl-tracker", "etl-spawned"
"""What the kernel calls multiprocessing's processes that are forked here (/proc/PID/comm)."""

_MAX_MESSAGE = 1 << 20
_STATUS = struct.Struct("<i")
_DESCRIPTORS = 4


class Launched:
    """A command that the launcher has forked: what ``subprocess.Popen`` offers of it, in text."""

    def __init__(self, args: Sequence[str], pid: int, streams: _Streams) -> None:
        self.args = list(args)
        self.pid = pid
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = streams.stdin, streams.stdout, streams.stderr
        self._status = streams.status

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code, -N for signal N. Raises TimeoutExpired."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            status = os.read(self._status, _STATUS.size)
            os.close(self._status)
            assert len(status) == _STATUS.size, "the launcher is gone"
            self.returncode = os.waitstatus_to_exitcode(_STATUS.unpack(status)[0])
        return self.returncode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Write ``input`` and read both streams to their ends, then wait. Raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        texts = {"stdout": "", "stderr": ""}

        def read(name: str, stream: IO[str]) -> None:
            texts[name] = stream.read()
            stream.close()

        threads = [
            threading.Thread(target=read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self.stdout), ("stderr", self.stderr))
            if stream is not None and not stream.closed
        ]
        if self.stdin is not None and not self.stdin.closed:
            threads.append(threading.Thread(target=_write, args=(self.stdin, input or ""), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_left(deadline))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(_left(deadline))
        return texts["stdout"], texts["stderr"]


def _write(stream: IO[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        stream.write(text)
    with contextlib.suppress(BrokenPipeError):  # of what is still in the stream's buffer
        stream.close()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class _Streams:
    """The pipes of a command: the test's ends, and those that the command gets."""

    def __init__(self, stdin: int, stderr: int) -> None:
        self.stdin: IO[str] | None = None
        self.stderr: IO[str] | None = None
        self.theirs: list[int] = []
        if stdin == subprocess.PIPE:
            end, ours = os.pipe()
            self.theirs.append(end)
            self.stdin = open(ours, "w", encoding="utf-8")
        else:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY))
        self.stdout = self._reading()
        if stderr == subprocess.PIPE:
            self.stderr = self._reading()
        else:
            self.theirs.append(os.dup(stderr))
        self.status, end = os.pipe()
        self.theirs.append(end)

    def _reading(self) -> IO[str]:
        ours, end = os.pipe()
        self.theirs.append(end)
        return open(ours, encoding="utf-8")


class Launcher:
    """The process that commands are forked from; it ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.launcher", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=REPO,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
        patch: str = "",
    ) -> Launched:
        """Fork the command line ``args``; ``patch`` is Python that it runs first."""
        streams = _Streams(stdin, stderr)
        what = {"args": list(args), "env": dict(env), "cwd": os.fspath(cwd or os.getcwd()), "patch": patch}
        socket.send_fds(self._socket, [json.dumps(what).encode()], streams.theirs)
        for end in streams.theirs:
            os.close(end)
        (pid,) = _STATUS.unpack(self._socket.recv(_STATUS.size))
        return Launched(args, pid, streams)

    def close(self) -> None:
        """End the launcher; what it has started goes on."""
        self._socket.close()
        self._process.wait(60)


def _serve(asked: socket.socket) -> None:
    """Fork a command for each message, and write down how each one ends; return in the command itself."""
    ended, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    status_of: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asked.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _write_statuses(status_of)
        if asked.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(asked, _MAX_MESSAGE, _DESCRIPTORS)
        if not message:
            os._exit(0)
        what = json.loads(message)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (ended, woken, *status_of.values()):
                os.close(other)
            asked.close()
            _become(what, descriptors)
            return
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        status_of[pid] = descriptors[3]
        asked.send(_STATUS.pack(pid))


def _write_statuses(status_of: dict[int, int]) -> None:
    while status_of:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = status_of.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # the test has given it up
            os.write(descriptor, _STATUS.pack(status))
        os.close(descriptor)


def _become(what: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Turn this process into what ``python -m etl`` is when its first line runs."""
    os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(what["cwd"])
    os.environ.clear()
    os.environ.update(what["env"])
    time.tzset()
    sys.argv = ["etl", *what["args"]]
    sys.stdin = open(0, encoding="utf-8")
    sys.stdout = io.TextIOWrapper(open(1, "wb"), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        open(2, "wb"), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    util.spawnv_passfds = _fork_helper  # type: ignore[assignment]
    if what["patch"]:
        exec(what["patch"], {"__name__": "__patch__"})  # noqa: S102 - the test's own text


_HELPERS = {
    "from multiprocessing.forkserver import main": FORK_SERVER,
    "from multiprocessing.resource_tracker import main": RESOURCE_TRACKER,
    "from multiprocessing.spawn import spawn_main": SPAWNED,
}
_start_anew = util.spawnv_passfds


def _fork_helper(path: bytes, args: Sequence[Any], passed: Sequence[int]) -> int:
    """Start a process of multiprocessing: it is forked, with what exec would leave."""
    code = str(args[args.index("-c") + 1])
    name = next((name for start, name in _HELPERS.items() if code.startswith(start)), None)
    if name is None:
        return int(_start_anew(path, args, passed))
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        kept = sorted({0, 1, 2, *passed})
        for below, above in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(below + 1, above)
        for preload in ("etl.run.process.preload_alone", "etl.run.process.preload"):
            sys.modules.pop(preload, None)  # what they do, beside importing, is for the fork server
        Path("/proc/self/comm").write_text(name)
        sys.argv = ["-c", *map(str, args[args.index("-c") + 2 :])]
        exec(code, {"__name__": "__main__"})  # noqa: S102 - multiprocessing's own text
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0)
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def import_all() -> None:
    """Import whatever a load of files may import, and nothing that starts a thread."""
    _import_project()
    for library in _LIBRARIES:
        importlib.import_module(library)
    _fill_tables()


def _import_project() -> None:
    """Import every module of the project that does nothing but define."""
    import etl

    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if module.name not in _ACTING:
            importlib.import_module(module.name)


_ACTING = ("etl.__main__", "etl.run.process.preload_alone", "etl.run.process.spawned_alone")
_LIBRARIES = (
    *("pyarrow.parquet", "pyarrow.csv", "pyarrow.feather", "pyarrow.orc"),
    *("anycrc", "ctypes", "dateutil.relativedelta", "encodings.idna"),
    *("multiprocessing.sharedctypes", "multiprocessing.popen_fork", "multiprocessing.popen_forkserver"),
)
"""What is otherwise imported at the first use."""


def _fill_tables() -> None:
    """Have the tables made which a process makes for its first hashes."""
    from etl.encode.rdb.hashes import LISTPACK, ZIPLIST
    from etl.encode.rdb.probe import probe

    for form in (LISTPACK, ZIPLIST):
        probe(b"key", form)


def _main(descriptor: int) -> NoReturn:
    from etl.run.process.hide_libraries import hide_libraries

    hide_libraries()  # as ``python -m etl`` does
    import_all()
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as asked:
        _serve(asked)
    from etl.__main__ import run

    try:
        run()
    except SystemExit as end:
        _end(end)
    raise AssertionError("unreachable")


def _end(end: SystemExit) -> NoReturn:
    """End as Python does: wait for threads, call what waits for the end, write what is still in a stream.

    Only the modules are not taken apart: that touches all memory which is shared with the launcher, and
    cost 70 ms, more than the command itself. Where something is not written Python has the last word.
    """
    if not isinstance(end.code, int):
        raise end
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            raise end from None
    os._exit(end.code)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
