"""Runs one command: how long it took, the CPU time of its processes and the memory of the largest one."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError

PROJECT = Path(__file__).resolve().parents[3]
SAMPLE_INTERVAL_S = 0.05
ORPHAN_TIMEOUT_S = 10
ORPHAN_INTERVAL_S = 0.002
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Finished:
    """``cpu_s``: user and system time of all processes of its tree. ``peak_bytes``: the largest peak resident
    size (VmHWM) of any of them; 0 if not sampled.
    """

    seconds: float
    cpu_s: float
    peak_bytes: int
    stdout: str


def adopt_orphans() -> None:
    """Has the kernel make this process the parent of what its commands leave behind, such as a forkserver:
    else nobody could say how much CPU time it and its children took.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(argv: list[str], *, stdin: Path | None = None, sampled: bool = True, good: int = 0) -> Finished:
    """Runs the command in the project folder to its end.

    Raises:
        BenchError: it ended with another code than ``good``, or left a process behind that does not end.
    """
    with (
        Path(stdin or "/dev/null").open("rb") as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        others = children()
        cpu_before_s = children_cpu_s()
        started_at = time.monotonic()
        process = subprocess.Popen(argv, stdin=given, stdout=out, stderr=err, cwd=PROJECT, env=environment())
        try:
            with PeakSampler(process.pid, enabled=sampled) as sampler:
                exit_code = process.wait()
                seconds = time.monotonic() - started_at
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        await_orphans(others, argv)
        cpu_s = children_cpu_s() - cpu_before_s
        out.seek(0)
        err.seek(0)
        if exit_code != good:
            tail = err.read().decode(errors="replace")[-2000:]
            raise BenchError(f"exit code {exit_code} from: {' '.join(argv)}\n{tail}")
        return Finished(seconds, cpu_s, sampler.peak_bytes, out.read().decode())


def environment() -> dict[str, str]:
    """The environment of a command: Python keeps its bytecode, as that of an installed program is kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class PeakSampler:
    """Watches a process tree from a thread of its own, so that the end of the process is seen at once.

    The kernel keeps each process' peak, so samples miss nothing but growth in its last moments. (The
    ``ru_maxrss`` of ``wait4`` would start at this program's own size, and knows no forkserver's children.)
    """

    def __init__(self, pid: int, *, enabled: bool) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True) if enabled else None

    def __enter__(self) -> PeakSampler:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_INTERVAL_S):
            for pid in process_tree(self._pid):
                self.peak_bytes = max(self.peak_bytes, peak_resident_bytes(pid))


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants, as far as they still live."""
    found = [pid]
    for parent in found:
        found.extend(children(parent))
    return found


def children(pid: int | str = "self") -> list[int]:
    """The children of a process, zombies too."""
    texts = (read_proc(path) for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in texts for child in text.split()]


def await_orphans(others: list[int], argv: list[str]) -> None:
    """Waits for the end of all children of this process but ``others``: a command has left them behind."""
    deadline = time.monotonic() + ORPHAN_TIMEOUT_S
    while orphans := set(children()).difference(others):
        for pid in orphans:
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise BenchError(f"left processes behind that do not end: {' '.join(argv)}")
        time.sleep(ORPHAN_INTERVAL_S)


def children_cpu_s() -> float:
    """CPU seconds of all processes that this one has waited for, and of those that they have waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_resident_bytes(pid: int) -> int:
    for line in read_proc(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def read_proc(path: Path) -> str:
    """The file's text, or nothing if its process has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
