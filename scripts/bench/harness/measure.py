"""Fair measuring: the contenders take turns, each on a server of its own, and medians count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from .process import run as run_command
from .reading import Reads
from .server import Server
from .server_from_file import Start


@dataclass(frozen=True, slots=True)
class Contender:
    """One way of doing the work.

    ``command`` makes the argv for a server; ``standard_input`` is a file. ``check`` gets the server and
    the command's stdout and raises BenchError for a wrong result. ``prepare`` is run before, unmeasured.
    ``own_seconds`` finds in the stdout how long the work itself took, without the start of the program.
    ``read`` reads from the server afterwards and says how long that takes. ``exit_code`` is the good one.
    ``place`` opens the server, or what stands for one. ``start`` starts the server that the command has made
    a file for, before ``check``.
    """

    name: str
    records: int
    command: Callable[[Server], list[str]]
    check: Callable[[Server, str], None]
    standard_input: Path | None = None
    prepare: Callable[[Server], list[str]] | None = None
    own_seconds: Callable[[str], float] | None = None
    read: Callable[[Server], Reads] | None = None
    exit_code: int = 0
    place: Callable[[], Any] = Server
    start: Callable[[Any], Start] | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """``redis_bytes``: by how much the server's memory has grown, or the file."""

    seconds: float
    work_seconds: float
    server_cpu_s: float
    client_cpu_s: float
    peak_bytes: int
    redis_bytes: int
    reads: Reads | None
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What the repeated measurements of one contender say: medians, but the highest peak of memory."""

    contender: Contender
    measurements: tuple[Measurement, ...]

    @property
    def seconds(self) -> float:
        return median(each.seconds for each in self.measurements)

    @property
    def records_per_s(self) -> float:
        return self.contender.records / self.seconds

    @property
    def busy(self) -> float:
        """Share of the whole process' time in which the server was at work."""
        return median(each.server_cpu_s / each.seconds for each in self.measurements)

    @property
    def busy_in_work(self) -> float:
        """The same share of the work's own seconds."""
        return median(each.server_cpu_s / each.work_seconds for each in self.measurements)

    @property
    def peak_bytes(self) -> int:
        return max(each.peak_bytes for each in self.measurements)

    @property
    def client_cpu_s_per_million(self) -> float:
        """CPU seconds of the command's processes, together, for a million records."""
        cpu_s = median(each.client_cpu_s for each in self.measurements)
        return cpu_s * 1e6 / self.contender.records

    @property
    def server_cpu_s_per_million(self) -> float:
        """CPU seconds of the server (or of all nodes) for a million records."""
        cpu_s = median(each.server_cpu_s for each in self.measurements)
        return cpu_s * 1e6 / self.contender.records

    @property
    def redis_bytes_per_record(self) -> float:
        return median(each.redis_bytes for each in self.measurements) / self.contender.records

    @property
    def reads(self) -> Reads | None:
        """Medians of the medians; None where nobody has read."""
        taken = [each.reads for each in self.measurements if each.reads]
        if not taken:
            return None
        fields = [each.field_us for each in taken if each.field_us is not None]
        return Reads(median(each.whole_us for each in taken), median(fields) if fields else None)

    def time_ratio(self, other: Result) -> float:
        """This one's time for a record by the other's: below 1 is faster.

        The median of the rounds' own ratios: in a round both have met the machine at about the same speed.
        """
        per_record = other.contender.records / self.contender.records
        rounds = zip(self.measurements, other.measurements, strict=True)
        return median(mine.seconds / theirs.seconds * per_record for mine, theirs in rounds)

    def with_start(self) -> Result:
        """This one together with the start of the server from the file that it has made."""
        together = (
            replace(
                each,
                seconds=each.seconds + each.start.seconds,
                server_cpu_s=each.start.cpu_s,
                peak_bytes=max(each.peak_bytes, each.start.peak_bytes),
            )
            for each in self.measurements
            if each.start
        )
        return Result(self.contender, tuple(together))

    def start_alone(self) -> Result:
        """The start of the server from the file that this one has made."""
        starts = (
            replace(
                each,
                seconds=each.start.seconds,
                server_cpu_s=each.start.cpu_s,
                client_cpu_s=0.0,
                peak_bytes=each.start.peak_bytes,
            )
            for each in self.measurements
            if each.start
        )
        return Result(self.contender, tuple(starts))


def measure_all(contenders: list[Contender], *, repeat: int) -> dict[str, Result]:
    """Measures each contender ``repeat`` times, round robin, and returns the results by name.

    Every other round goes backwards: a machine that gets slower or faster meanwhile favours nobody.
    """
    taken: dict[str, list[Measurement]] = {contender.name: [] for contender in contenders}
    for turn in range(1, repeat + 1):
        for contender in contenders if turn % 2 else reversed(contenders):
            measurement = measure(contender)
            taken[contender.name].append(measurement)
            note(f"round {turn} of {repeat}: {contender.name}: {measurement.seconds:.2f} s")
    return {each.name: Result(each, tuple(taken[each.name])) for each in contenders}


def measure(contender: Contender) -> Measurement:
    with contender.place() as server:
        if contender.prepare:
            run_command(contender.prepare(server))
        cpu_before_s, bytes_before = server.cpu_s(), server.used_bytes()
        finished = run_command(
            contender.command(server), stdin=contender.standard_input, good=contender.exit_code
        )
        cpu_s, redis_bytes = server.cpu_s() - cpu_before_s, server.used_bytes() - bytes_before
        start = contender.start(server) if contender.start else None
        contender.check(server, finished.stdout)
        reads = contender.read(server) if contender.read else None
    work_seconds = contender.own_seconds(finished.stdout) if contender.own_seconds else finished.seconds
    return Measurement(
        finished.seconds, work_seconds, cpu_s, finished.cpu_s, finished.peak_bytes, redis_bytes, reads, start
    )


def median_seconds(
    commands: dict[str, list[str]], *, times: int, before: Callable[[], object]
) -> dict[str, float]:
    """Times short commands in alternation, calling ``before`` ahead of each; their medians by name."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, argv in commands.items():
            before()
            taken[name].append(run_command(argv, sampled=False).seconds)
    return {name: median(seconds) for name, seconds in taken.items()}


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
