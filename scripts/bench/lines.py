"""Lines to strings: the key is the line's number, the value the line."""

from __future__ import annotations

import sys
from pathlib import Path

from .harness import data
from .harness.bar import Bar, bars_table, mib, percent, times
from .harness.binaries import binary
from .harness.data import LinesFile
from .harness.errors import BenchError
from .harness.loader import check_complete, etl_command, own_keys, report_seconds
from .harness.measure import Contender, Result, measure, measure_all, median_seconds, note
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "lines of 80 bytes to strings"
RECORDS = 5_000_000
QUICK_RECORDS = 300_000

# The slow rivals load a part of the data, so that a run takes minutes; their rate does not depend on it.
ORIGINAL_RECORDS = 200_000
PIPELINES_RECORDS = 1_000_000

START_LINES = 1000
START_TIMES = 15
MEMORY_LINE_BYTES = 999
MEMORY_RECORDS = (100_000, 1_000_000)

RIVALS = Path(__file__).parent / "rivals"
ORIGINAL = "original script: 8 processes, a round trip a SET"
PIPELINES = "redis-py, pipelines of 1000"
REDIS_CLI = "redis-cli --pipe, ready-made SETs"
UNMARKED = "redis-etl load, 1 worker, without preflight, lock and marks"


def tables(settings: Settings) -> list[Table]:
    """Measures the contenders side by side, then the bars that need a measurement of their own."""
    results = measure_all(contenders(settings.records), repeat=settings.repeat)
    bars = [*speed_bars(results), start_bar()]
    if settings.memory:
        bars += memory_bars()
    title = "The limits we hold" + (
        " (a quick try: too little data to judge speed)" if settings.quick else ""
    )
    return [speed_table(results, settings), bars_table(title, bars)]


def load_name(workers: int) -> str:
    return f"redis-etl load, {workers} worker{'s' if workers > 1 else ''}"


def verify_name(workers: int) -> str:
    return f"redis-etl verify, {workers} workers"


def contenders(records: int) -> list[Contender]:
    note(f"data: {records:,} lines of 80 bytes in {data.FOLDER}")
    whole = data.lines(records)
    protocol = data.set_protocol(whole)
    for path in whole.path, protocol:
        data.read_through(path)
    return [
        # Those that are compared most stand side by side.
        unmarked(whole),
        loading(whole, 1),
        redis_cli(whole, protocol),
        loading(whole, 2),
        loading(whole, 8),
        rival(PIPELINES, "pipelines.py", data.lines(min(records, PIPELINES_RECORDS))),
        rival(ORIGINAL, "original.py", data.lines(min(records, ORIGINAL_RECORDS))),
        verifying(whole, 2),
    ]


def loading(lines: LinesFile, workers: int) -> Contender:
    def check(server: Server, stdout: str) -> None:
        check_complete(stdout, lines.records)
        check_keys(server, lines, keys=lines.records + own_keys(server, stdout))

    return Contender(
        name=load_name(workers),
        records=lines.records,
        command=lambda server: etl_command("load", lines.path, server, "--workers", str(workers)),
        check=check,
        own_seconds=report_seconds,
    )


def unmarked(lines: LinesFile) -> Contender:
    def command(server: Server) -> list[str]:
        _, _, _, _, *arguments = etl_command("load", lines.path, server, "--workers", "1")
        return [sys.executable, str(RIVALS / "unmarked.py"), "load", *arguments]

    def check(server: Server, stdout: str) -> None:
        check_complete(stdout, lines.records)
        check_keys(server, lines, keys=lines.records)

    return Contender(UNMARKED, lines.records, command, check, own_seconds=report_seconds)


def verifying(lines: LinesFile, workers: int) -> Contender:
    return Contender(
        name=verify_name(workers),
        records=lines.records,
        prepare=loading(lines, workers).command,
        command=lambda server: etl_command("verify", lines.path, server, "--workers", str(workers)),
        check=lambda _server, stdout: check_complete(stdout, lines.records),
        own_seconds=report_seconds,
    )


def redis_cli(lines: LinesFile, protocol: Path) -> Contender:
    def check(server: Server, stdout: str) -> None:
        if f"errors: 0, replies: {lines.records}" not in stdout:
            raise BenchError(f"redis-cli --pipe: {stdout}")
        check_keys(server, lines, keys=lines.records)

    return Contender(
        name=REDIS_CLI,
        records=lines.records,
        command=lambda server: [binary("redis-cli"), "-p", str(server.port), "--pipe"],
        standard_input=protocol,
        check=check,
    )


def rival(name: str, program: str, lines: LinesFile) -> Contender:
    return Contender(
        name=name,
        records=lines.records,
        command=lambda server: [sys.executable, str(RIVALS / program), str(server.port), str(lines.path)],
        check=lambda server, _stdout: check_keys(server, lines, keys=lines.records),
    )


def check_keys(server: Server, lines: LinesFile, *, keys: int) -> None:
    """Raises BenchError unless the server holds that many keys and some of them have the right values."""
    found = server.client.dbsize()
    if found != keys:
        raise BenchError(f"{found} keys instead of {keys}")
    for number in {0, 1, lines.records // 3, lines.records // 2, lines.records - 1}:
        if server.client.get(str(number)) != lines.line(number):
            raise BenchError(f"key {number} does not hold line {number}")


def speed_table(results: dict[str, Result], settings: Settings) -> Table:
    baseline = results[REDIS_CLI]
    head = [
        "way",
        "records",
        "seconds",
        "records/s",
        "time ratio",
        "server busy",
        "in the load itself",
        "peak memory",
    ]
    rounds = "one round" if settings.repeat == 1 else f"medians of {settings.repeat} rounds"
    title = f"{settings.records:,} lines of 80 bytes to strings, {rounds}"
    return Table(title, head, [speed_row(result, baseline) for result in results.values()])


def speed_row(result: Result, baseline: Result) -> list[str]:
    return [
        result.contender.name,
        f"{result.contender.records:,}",
        f"{result.seconds:.2f}",
        f"{result.records_per_s:,.0f}",
        f"{result.time_ratio(baseline):.2f} x",
        percent(result.busy),
        percent(result.busy_in_work),
        mib(result.peak_bytes),
    ]


def speed_bars(results: dict[str, Result]) -> list[Bar]:
    loads = [results[load_name(workers)] for workers in (1, 2, 8)]
    fastest = min(loads, key=lambda result: result.time_ratio(results[REDIS_CLI]))
    to_pipelines = fastest.time_ratio(results[PIPELINES])
    to_load = results[verify_name(2)].time_ratio(results[load_name(2)])
    return [
        Bar(
            f"{fastest.contender.name} / redis-cli --pipe",
            0.80,
            fastest.time_ratio(results[REDIS_CLI]),
            times,
        ),
        Bar(f"{fastest.contender.name} / redis-py pipelines", 1 / 6, to_pipelines, times),
        Bar("server busy in the load, 1 worker", 0.93, loads[0].busy_in_work, percent, at_least=True),
        Bar("verify / load, 2 workers", 1.5, to_load, times),
        Bar("load / load without marks, 1 worker", 1.03, loads[0].time_ratio(results[UNMARKED]), times),
    ]


def start_bar() -> Bar:
    """A load so small that nothing but the start of the program counts."""
    few = data.lines(START_LINES)
    with Server() as server:
        commands = {
            "load": etl_command("load", few.path, server),
            "import": [sys.executable, "-c", "import redis, pyarrow"],
        }
        seconds = median_seconds(commands, times=START_TIMES, before=lambda: server.client.flushall())
    note(f"1,000 lines: {seconds['load']:.3f} s; import redis, pyarrow: {seconds['import']:.3f} s")
    return Bar(
        f"{START_LINES:,} lines / python -c 'import redis, pyarrow'",
        2.5,
        seconds["load"] / seconds["import"],
        times,
    )


def memory_bars() -> list[Bar]:
    note("memory: 100 MB and 1 GB of lines")
    small, large = (peak_bytes(data.lines(records, width=MEMORY_LINE_BYTES)) for records in MEMORY_RECORDS)
    return [
        Bar("memory of the largest process, 1 GB / 100 MB", 1.1, large / small, times),
        Bar("memory of the largest process, 1 GB", 200 * 2**20, large, mib),
    ]


def peak_bytes(lines: LinesFile) -> int:
    return measure(loading(lines, workers=2)).peak_bytes
