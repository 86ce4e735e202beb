"""Three primaries beside one server, and beside other ways into a cluster: what a record costs each side.

All of them share this machine's cores, so processor time counts, and wall-clock time says little.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from .harness.bar import Bar, bars_table, mib, times
from .harness.binaries import binary
from .harness.cluster import PRIMARIES, Cluster, node_of
from .harness.data import MIB, LinesFile, line_values, lines, set_command
from .harness.errors import BenchError
from .harness.loader import check_complete, etl_command
from .harness.measure import Contender, Result, measure_all
from .harness.model import model_table
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "a Redis Cluster of three primaries beside one server, strings and hashes"
RECORDS = 1_000_000
QUICK_RECORDS = 20_000
SERVER_LIMIT, CLIENT_LIMIT = 1.25, 1.2
PARTS = ("strings", "hashes", "model")
RIVALS = Path(__file__).parent / "rivals"


def tables(settings: Settings) -> list[Table]:
    parts = settings.only or PARTS
    with tempfile.TemporaryDirectory(prefix="redis-etl-bench-") as name:
        contenders: list[Contender] = []
        if "strings" in parts:
            contenders += strings(Path(name), lines(settings.records))
        if "hashes" in parts:
            contenders += hashes(Path(name), settings.records)
        results = measure_all(contenders, repeat=settings.repeat)
    model = [model_table(settings.repeat)] if "model" in parts else []
    if not results:
        return model
    head = ["way", "seconds", "server CPU, us/record", "client CPU, us/record", "peak memory"]
    title = (
        f"{settings.records:,} records, 1 worker, {PRIMARIES} primaries, medians of {settings.repeat} rounds"
    )
    bars = [bar for part in parts if part != "model" for bar in bars_of(part, results)]
    rows = [row(result) for result in results.values()]
    return [Table(title, head, rows), bars_table("The limits", bars), *model]


def bars_of(part: str, results: dict[str, Result]) -> list[Bar]:
    one, cluster = results[f"{part}: one server"], results[f"{part}: cluster"]
    server = cluster.server_cpu_s_per_million / one.server_cpu_s_per_million
    client = cluster.client_cpu_s_per_million / one.client_cpu_s_per_million
    return [
        Bar(f"{part}: server CPU, cluster / one server", SERVER_LIMIT, server, times),
        Bar(f"{part}: client CPU, cluster / one server", CLIENT_LIMIT, client, times),
    ]


def strings(folder: Path, data: LinesFile) -> list[Contender]:
    paths = [folder / f"node-{node}.resp" for node in range(PRIMARIES)]
    files = [path.open("wb", buffering=MIB) for path in paths]
    for number, line in enumerate(line_values(data.records, data.width)):
        files[node_of(key_slot(b"%d" % number))].write(set_command(number, line))
    for file in files:
        file.close()

    def by_cli(cluster: Any) -> list[str]:
        cli = binary("redis-cli")
        each = zip(cluster.servers, paths, strict=True)
        pipes = [f"{cli} -p {server.port} --pipe < {path} > /dev/null &" for server, path in each]
        return ["sh", "-c", " ".join([*pipes, "wait"])]

    def by_redis_py(cluster: Any) -> list[str]:
        script = str(RIVALS / "pipelines.py")
        return [sys.executable, script, str(cluster.port), str(data.path), "cluster"]

    def others_complete(cluster: Any, _stdout: str) -> None:
        if (found := cluster.keys()) != data.records:
            raise BenchError(f"{found} keys instead of {data.records}")

    return [
        *loading("strings", data.path, data.records, ()),
        Contender(
            "strings: RedisCluster pipelines", data.records, by_redis_py, others_complete, place=Cluster
        ),
        Contender("strings: redis-cli --pipe a node", data.records, by_cli, others_complete, place=Cluster),
    ]


def hashes(folder: Path, records: int) -> list[Contender]:
    path = folder / "records.csv"
    with path.open("w", buffering=MIB) as file:
        file.write("id,name,city,a,b,c\n")
        file.writelines(
            f'{n},Ada {n % 1000},city {n % 97},{n * 7},{n * 13},"x, {n}"\n' for n in range(records)
        )
    return loading("hashes", path, records, ("--key", "u:{id}"))


def loading(what: str, path: Path, records: int, options: tuple[str, ...]) -> list[Contender]:
    def command(server: Any) -> list[str]:
        return etl_command("load", path, server, "--workers", "1", *options)

    def check(_server: Any, stdout: str) -> None:
        check_complete(stdout, records)

    places: dict[str, Callable[[], Any]] = {"one server": Server, "cluster": Cluster}
    return [
        Contender(f"{what}: {name}", records, command, check, place=place) for name, place in places.items()
    ]


def row(result: Result) -> list[str]:
    return [
        result.contender.name,
        f"{result.seconds:.2f}",
        f"{result.server_cpu_s_per_million:.2f}",
        f"{result.client_cpu_s_per_million:.2f}",
        mib(result.peak_bytes),
    ]
