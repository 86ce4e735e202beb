"""Loads of which half is refused, by the server, the encoder or the parser, beside a clean load."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from .harness.bar import Bar, bars_table, mib, times
from .harness.errors import BenchError
from .harness.loader import etl_command
from .harness.measure import Contender, Result, measure_all
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "CSV records to hashes of which half are rejected, beside a clean load"
RECORDS = 250_000
QUICK_RECORDS = 10_000
LIMIT = 3.0

CLEAN = "nothing is refused"
REFUSALS = {
    "by the server, --if-exists fail": ("clean", ("--key", "u:{id}", "--if-exists", "fail")),
    "by the server, WRONGTYPE": (
        "clean",
        ("--key", "u:{id}", "--as", "set", "--value", "{name}", "--if-exists", "merge"),
    ),
    "by the encoder, a field that is empty": ("empty", ("--key", "u:{id}:{name}", "--omit-empty")),
    "by the parser, a field too many": ("long", ("--key", "u:{id}")),
}


def tables(settings: Settings) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="redis-etl-bench-") as name:
        folder = Path(name)
        write(folder / "clean.csv", settings.records, lambda n: record(n))
        write(folder / "half.csv", settings.records // 2, lambda n: record(2 * n))
        write(folder / "empty.csv", settings.records, lambda n: record(n, name="" if n % 2 else "Ada"))
        write(folder / "long.csv", settings.records, lambda n: record(n) + (",more" if n % 2 else ""))
        contenders = [loading(CLEAN, folder / "clean.csv", settings, ("--key", "u:{id}"), rejected=0)]
        for what, (file, options) in REFUSALS.items():
            half = settings.records // 2
            contenders.append(loading(what, folder / f"{file}.csv", settings, options, rejected=half))
        results = measure_all(contenders, repeat=settings.repeat)
    head = ["half refused", "records", "seconds", "records/s", "time / clean", "peak memory"]
    clean = results[CLEAN]
    title = f"{settings.records:,} CSV records, 2 workers, medians of {settings.repeat} rounds"
    bars = [Bar(f"{what} / clean", LIMIT, results[what].time_ratio(clean), times) for what in REFUSALS]
    rows = [row(result, clean) for result in results.values()]
    return [Table(title, head, rows), bars_table("The limits", bars)]


def record(number: int, *, name: str = "Ada") -> str:
    return f'{number},{name},city {number % 97},{number * 7},{number * 13},"x, {number}"'


def write(path: Path, records: int, line: Callable[[int], str]) -> None:
    lines = "".join(f"{line(number)}\n" for number in range(records))
    path.write_text(f"id,name,city,a,b,c\n{lines}")


def loading(
    what: str, path: Path, settings: Settings, options: tuple[str, ...], *, rejected: int
) -> Contender:
    """Load a file; where the server is to refuse, half of the keys are there as strings before."""

    def command(server: Server) -> list[str]:
        rejects = path.with_name(f"rejects-{server.port}.jsonl")
        rejects.unlink(missing_ok=True)
        allowed = ("--max-rejects", str(settings.records), "--rejects", str(rejects))
        return etl_command("load", path, server, "--workers", "2", *allowed, *options)

    def before(server: Server) -> list[str]:
        half = ("--as", "string", "--key", "u:{id}", "--value", "{name}")
        return etl_command("load", path.with_name("half.csv"), server, *half)

    def check(_server: Server, stdout: str) -> None:
        if (found := json.loads(stdout)["records"]["rejected"]) != rejected:
            raise BenchError(f"{what}: {found} rejects instead of {rejected}")

    return Contender(
        name=what,
        records=settings.records,
        command=command,
        check=check,
        prepare=before if "by the server" in what else None,
        exit_code=1 if rejected else 0,
    )


def row(result: Result, clean: Result) -> list[str]:
    return [
        result.contender.name,
        f"{result.contender.records:,}",
        f"{result.seconds:.2f}",
        f"{result.records_per_s:,.0f}",
        f"{result.time_ratio(clean):.2f} x",
        mib(result.peak_bytes),
    ]
