"""Whole data sets: RDB files and the start of a server from them, and replication, beside ways of loading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .harness import data
from .harness.bar import Bar, bars_table, mib, times
from .harness.binaries import binary
from .harness.errors import BenchError
from .harness.loader import check_complete, etl_command, own_keys
from .harness.measure import Contender, Result, measure_all, note
from .harness.people import FIELDS, KEY, LONG, NUMBERED_KEY, hset_protocol, key_of, people, person
from .harness.server_from_file import ServerFromFile
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "RDB files and replication beside loads, six fields to hashes and lines to strings"
RECORDS = 3_000_000
QUICK_RECORDS = 100_000

FILE_LIMIT, START_LIMIT = 0.25, 0.45
REPLICATION_LIMITS = {"hashes": 0.40, "numbered": 0.40, "lines": 0.75}

REDIS_CLI = "redis-cli --pipe, ready-made"
START = "start of a server from the file"


@dataclass(frozen=True, slots=True)
class Scene:
    """One table. ``options`` make the records what they become; ``live``: how they are loaded into a server,
    as the table says it. ``check`` raises BenchError unless some records are in a server, by its client.
    """

    title: str
    source: Path
    protocol: Path
    records: int
    options: tuple[str, ...]
    live: str
    live_options: tuple[str, ...]
    check: Callable[[Any], None]


def hashes(settings: Settings, key: str = KEY) -> Scene:
    records = settings.records
    file = people("csv", records, LONG)

    def check(client: Any) -> None:
        for number in some_numbers(records):
            found = {
                name.decode(): value.decode() for name, value in client.hgetall(key_of(number, key)).items()
            }
            if found != dict(zip(FIELDS, person(number, LONG), strict=True)):
                raise BenchError(f"key {key_of(number, key)} does not hold record {number}")

    return Scene(
        title=f"{records:,} CSV records of six fields to hashes, --key '{key}'",
        source=file.path,
        protocol=hset_protocol(records, LONG, key=key),
        records=records,
        options=("--key", key),
        live="RESTORE",
        live_options=("--wire", "restore"),
        check=check,
    )


def numbered(settings: Settings) -> Scene:
    return hashes(settings, NUMBERED_KEY)


def lines(settings: Settings) -> Scene:
    records = settings.records * 5 // 3  # they are smaller: 5 million by default
    file = data.lines(records)

    def check(client: Any) -> None:
        for number in some_numbers(records):
            if client.get(str(number)) != file.line(number):
                raise BenchError(f"key {number} does not hold line {number}")

    return Scene(
        title=f"{records:,} lines of 80 bytes to strings",
        source=file.path,
        protocol=data.set_protocol(file),
        records=records,
        options=(),
        live="MSET",
        live_options=(),
        check=check,
    )


def some_numbers(records: int) -> set[int]:
    return {0, 1, records // 3, records // 2, records - 1}


SCENES = {"hashes": hashes, "numbered": numbered, "lines": lines}
PARTS = tuple(SCENES)
"""What ``--only`` can name."""


def tables(settings: Settings) -> list[Table]:
    """Measures each scene's contenders side by side."""
    found: list[Table] = []
    bars: list[Bar] = []
    for part in settings.only or PARTS:
        scene = SCENES[part](settings)
        note(f"{scene.title}, in {data.FOLDER}")
        for path in scene.source, scene.protocol:
            data.read_through(path)
        results = rows_of(measure_all(contenders(scene), repeat=settings.repeat))
        found.append(scene_table(scene, results, settings))
        bars += bars_of(part, results)
    quick = " (a quick try: too little data to judge speed)" if settings.quick else ""
    return [*found, bars_table("The limits" + quick, bars)]


def contenders(scene: Scene) -> list[Contender]:
    return [
        building(scene, 1),
        building(scene, 2),  # beside the one that it is compared with, and so is the next but one
        redis_cli(scene),
        loading(scene, "load, replication, 2 workers", "--wire", "replication"),
        loading(scene, f"load, {scene.live}, 2 workers", *scene.live_options),
    ]


def redis_cli(scene: Scene) -> Contender:
    def check(server: Any, stdout: str) -> None:
        if f"errors: 0, replies: {scene.records}" not in stdout:
            raise BenchError(f"redis-cli --pipe: {stdout}")
        check_keys(scene, server, keys=scene.records)

    return Contender(
        name=REDIS_CLI,
        records=scene.records,
        command=lambda server: [binary("redis-cli"), "-p", str(server.port), "--pipe"],
        standard_input=scene.protocol,
        check=check,
    )


def loading(scene: Scene, name: str, *options: str) -> Contender:
    return Contender(
        name=name,
        records=scene.records,
        command=lambda server: own_command(scene, server, 2, *options),
        check=checked(scene),
    )


def file_name(workers: int) -> str:
    return f"--to rdb:FILE, {workers} worker{'s' if workers > 1 else ''}"


def building(scene: Scene, workers: int) -> Contender:
    return Contender(
        name=file_name(workers),
        records=scene.records,
        command=lambda server: own_command(scene, server, workers),
        check=checked(scene),
        place=ServerFromFile,
        start=ServerFromFile.start,
    )


def own_command(scene: Scene, server: Any, workers: int, *options: str) -> list[str]:
    return etl_command("load", scene.source, server, "--workers", str(workers), *scene.options, *options)


def checked(scene: Scene) -> Callable[[Any, str], None]:
    def check(server: Any, stdout: str) -> None:
        check_complete(stdout, scene.records)
        check_keys(scene, server, keys=scene.records + own_keys(server, stdout))

    return check


def check_keys(scene: Scene, server: Any, *, keys: int) -> None:
    """Raises BenchError unless the server holds that many keys and some of them the right records."""
    if (found := server.client.dbsize()) != keys:
        raise BenchError(f"{found} keys instead of {keys}")
    scene.check(server.client)


def rows_of(results: dict[str, Result]) -> dict[str, Result]:
    """The results by the names of the table's rows, in their order: a start is a row of its own too."""
    built = results[file_name(2)]
    first = (REDIS_CLI, *(name for name in results if name.startswith("load, ")))
    return {
        **{name: results[name] for name in first},
        file_name(1): results[file_name(1)],
        file_name(2): built,
        START: built.start_alone(),
        both_name(): built.with_start(),
    }


def both_name() -> str:
    return f"{file_name(2)}, and {START}"


def scene_table(scene: Scene, results: dict[str, Result], settings: Settings) -> Table:
    head = [
        "way",
        "seconds",
        "time / --pipe",
        "server CPU, us/record",
        "client CPU, us/record",
        "peak memory",
        "file, bytes",
    ]
    rounds = "one round" if settings.repeat == 1 else f"medians of {settings.repeat} rounds"
    rows = [row(name, result, results[REDIS_CLI]) for name, result in results.items()]
    return Table(f"{scene.title}, {rounds}", head, rows)


def row(name: str, result: Result, baseline: Result) -> list[str]:
    file_bytes = result.redis_bytes_per_record * result.contender.records
    return [
        name,
        f"{result.seconds:.2f}",
        f"{result.time_ratio(baseline):.2f} x",
        f"{result.server_cpu_s_per_million:.2f}",
        f"{result.client_cpu_s_per_million:.2f}",
        mib(result.peak_bytes),
        f"{file_bytes:,.0f}" if result.contender.start else "",
    ]


def bars_of(part: str, results: dict[str, Result]) -> list[Bar]:
    def bar(name: str, limit: float) -> Bar:
        return Bar(f"{part}: {name} / --pipe", limit, results[name].time_ratio(results[REDIS_CLI]), times)

    live = bar("load, replication, 2 workers", REPLICATION_LIMITS[part])
    files = [] if part == "lines" else [bar(file_name(2), FILE_LIMIT), bar(both_name(), START_LIMIT)]
    return [*files, live]
