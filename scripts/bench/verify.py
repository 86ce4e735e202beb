"""Verify beside the load of the same records: members of one list, set or sorted set, and of many lists."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from .harness.bar import Bar, bars_table, mib, times
from .harness.errors import BenchError
from .harness.loader import check_complete, etl_command
from .harness.measure import Contender, Result, measure_all
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "verify beside the load, of long lists, sets and sorted sets"
RECORDS = 1_000_000
QUICK_RECORDS = 20_000
LIMIT = 3.0
LISTS = 1000

KINDS = {
    "one list": ("--as", "list", "--key", "all", "--value", "{v}"),
    "one set": ("--as", "set", "--key", "all", "--value", "{v}"),
    "one sorted set": ("--as", "zset", "--key", "all", "--value", "{v}", "--score", "{s}"),
    f"{LISTS:,} lists": ("--as", "list", "--key", "list:{g}", "--value", "{v}"),
}


def tables(settings: Settings) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="redis-etl-bench-") as folder:
        path = Path(folder) / "members.csv"
        rows = (f"{n % LISTS},member-{n:08d}-of-all,{n}\n" for n in range(settings.records))
        path.write_text("g,v,s\n" + "".join(rows))
        contenders = [
            contender
            for kind in KINDS
            for contender in (loading(kind, path, settings), verifying(kind, path, settings))
        ]
        results = measure_all(contenders, repeat=settings.repeat)
    head = ["what", "records", "seconds", "records/s", "peak memory"]
    title = f"{settings.records:,} members, 2 workers, medians of {settings.repeat} rounds"
    bars = [
        Bar(f"verify / load, {kind}", LIMIT, results[verify_name(kind)].time_ratio(results[kind]), times)
        for kind in KINDS
    ]
    return [Table(title, head, [row(result) for result in results.values()]), bars_table("The limits", bars)]


def verify_name(kind: str) -> str:
    return f"{kind}, verify"


def loading(kind: str, path: Path, settings: Settings) -> Contender:
    return Contender(
        name=kind,
        records=settings.records,
        command=lambda server: etl_command("load", path, server, "--workers", "2", *KINDS[kind]),
        check=lambda _server, stdout: check_complete(stdout, settings.records),
    )


def verifying(kind: str, path: Path, settings: Settings) -> Contender:
    def check(_server: Server, stdout: str) -> None:
        check_complete(stdout, settings.records)
        if json.loads(stdout)["records"]["equal"] != settings.records:
            raise BenchError(f"{kind}: not all are equal: {stdout}")

    return Contender(
        name=verify_name(kind),
        records=settings.records,
        prepare=loading(kind, path, settings).command,
        command=lambda server: etl_command("verify", path, server, "--workers", "2", *KINDS[kind]),
        check=check,
    )


def row(result: Result) -> list[str]:
    return [
        result.contender.name,
        f"{result.contender.records:,}",
        f"{result.seconds:.2f}",
        f"{result.records_per_s:,.0f}",
        mib(result.peak_bytes),
    ]
