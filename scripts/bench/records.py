"""Records of six fields to hashes and to JSON strings, from CSV, JSONL and Parquet."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .harness import data
from .harness.bar import Bar, bars_table, mib, percent, times
from .harness.binaries import binary
from .harness.errors import BenchError
from .harness.loader import check_complete, etl_command, own_keys, report_seconds
from .harness.measure import Contender, Result, measure, measure_all, note
from .harness.people import (
    FIELDS,
    KEY,
    LONG,
    QUOTED,
    SHORT,
    WIDE,
    PeopleFile,
    Variant,
    command_bytes,
    hset_protocol,
    key_of,
    people,
    person,
    set_protocol,
)
from .harness.reading import Reads, median_us, random_numbers
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "six fields from CSV, JSONL and Parquet to hashes and JSON strings"
RECORDS = 1_000_000
QUICK_RECORDS = 100_000

# The slow rivals load a part of the data; their start then weighs a few percent at most.
RIVAL_RECORDS = 500_000
READS = 20_000
WORKERS = (1, 2, 8)
MEMORY_RECORDS = (100_000, 1_000_000)

Wires = dict[str, tuple[str, ...]]
"""How this loader sends records, by name: the options that make it do so. Each is measured."""

HSET = "HSET"
RESTORE = "RESTORE"
WIRES: dict[str, Wires] = {
    "hash": {HSET: ("--wire", "hset"), RESTORE: ("--wire", "restore")},
    "string": {"MSET": ()},
}

RIVAL = Path(__file__).parent / "rivals" / "records.py"
SCRIPTS = {"csv": "csv.DictReader", "jsonl": "json.loads", "parquet": "pyarrow to_pylist"}
LIBRARIES = {"csv": ("pandas", "duckdb"), "jsonl": (), "parquet": ("duckdb",)}
REDIS_CLI = "redis-cli --pipe, ready-made"
VERIFY = "redis-etl verify, 2 workers"


@dataclass(frozen=True, slots=True)
class Scene:
    """One table: a format, what its records become (``hash`` or ``string``), and a variant of the data."""

    format: str
    kind: str
    variant: Variant = LONG

    @property
    def name(self) -> str:
        ending = "" if self.variant == LONG else f"-{self.variant.name}"
        return f"{self.format}-{self.kind}{ending}"

    @property
    def title(self) -> str:
        quoted = ", in quotes" if self.variant.quoted else ""
        goal = "hashes" if self.kind == "hash" else "JSON strings"
        return f"{self.name}: six fields, one of {self.variant.note_bytes} bytes{quoted}, to {goal}"

    @property
    def wires(self) -> Wires:
        return WIRES[self.kind]

    @property
    def script(self) -> str:
        return f"{SCRIPTS[self.format]} + redis-py pipelines, 2 processes"


def load_name(workers: int, wire: str) -> str:
    return f"redis-etl load, {wire}, {workers} worker{'s' if workers > 1 else ''}"


SCENES = {
    scene.name: scene
    for scene in (
        Scene("csv", "hash"),
        Scene("csv", "hash", SHORT),
        Scene("csv", "hash", QUOTED),
        Scene("jsonl", "hash"),
        Scene("parquet", "hash"),
        Scene("parquet", "hash", SHORT),
        Scene("csv", "string"),
        Scene("jsonl", "string"),
        Scene("parquet", "string"),
    )
}
PARTS = tuple(SCENES)
"""What ``--only`` can name."""


def tables(settings: Settings) -> list[Table]:
    """Measures each scene's contenders side by side, then the bars that need a measurement of their own."""
    found: list[Table] = []
    bars: list[Bar] = []
    for name in settings.only or PARTS:
        scene = SCENES[name]
        note(f"{scene.title}: {settings.records:,} records in {data.FOLDER}")
        results = measure_all(contenders(scene, settings.records), repeat=settings.repeat)
        found.append(scene_table(scene, results, settings))
        bars += speed_bars(scene, results)
    if settings.memory:
        bars += memory_bars()
    quick = " (a quick try: too little data to judge speed)" if settings.quick else ""
    return [*found, bars_table("The limits we hold" + quick, bars)]


def contenders(scene: Scene, records: int) -> list[Contender]:
    whole = people(scene.format, records, scene.variant)
    part = people(scene.format, min(records, RIVAL_RECORDS), scene.variant)
    protocol = (hset_protocol if scene.kind == "hash" else set_protocol)(records, scene.variant)
    for path in {whole.path, part.path, protocol}:
        data.read_through(path)
    first, *others = [[loading(scene, whole, workers, wire) for workers in WORKERS] for wire in scene.wires]
    return [
        *first,
        redis_cli(scene, whole, protocol),  # between those that are compared with it
        *itertools.chain(*others),
        rival(scene, scene.script, scene.format, part),
        *(
            rival(scene, library_name(library), library, part)
            for library in LIBRARIES[scene.format]
            if installed(library)
        ),
        verifying(scene, whole),
    ]


def library_name(library: str) -> str:
    return f"{library} + redis-py pipelines, 2 processes"


def installed(package: str) -> str:
    """The version of a package, or nothing where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def loading(scene: Scene, file: PeopleFile, workers: int, wire: str) -> Contender:
    def check(server: Server, stdout: str) -> None:
        check_complete(stdout, file.records)
        check_people(server, scene, file, keys=file.records + own_keys(server, stdout))

    return Contender(
        name=load_name(workers, wire),
        records=file.records,
        command=lambda server: own_command("load", scene, file, server, workers, *scene.wires[wire]),
        check=check,
        own_seconds=report_seconds,
        read=reading(scene, file),
    )


def verifying(scene: Scene, file: PeopleFile, workers: int = 2) -> Contender:
    return Contender(
        name=VERIFY,
        records=file.records,
        prepare=lambda server: own_command("load", scene, file, server, workers),
        command=lambda server: own_command("verify", scene, file, server, workers),
        check=lambda _server, stdout: check_complete(stdout, file.records),
        own_seconds=report_seconds,
    )


def own_command(
    verb: str, scene: Scene, file: PeopleFile, server: Server, workers: int, *options: str
) -> list[str]:
    mapping = ("--as", scene.kind, "--key", KEY, "--workers", str(workers))
    return etl_command(verb, file.path, server, *mapping, *options)


def redis_cli(scene: Scene, file: PeopleFile, protocol: Path) -> Contender:
    def check(server: Server, stdout: str) -> None:
        if f"errors: 0, replies: {file.records}" not in stdout:
            raise BenchError(f"redis-cli --pipe: {stdout}")
        check_people(server, scene, file, keys=file.records)

    return Contender(
        name=REDIS_CLI,
        records=file.records,
        command=lambda server: [binary("redis-cli"), "-p", str(server.port), "--pipe"],
        standard_input=protocol,
        check=check,
        read=reading(scene, file),
    )


def rival(scene: Scene, name: str, reader: str, file: PeopleFile) -> Contender:
    def command(server: Server) -> list[str]:
        return [sys.executable, str(RIVAL), reader, str(server.port), str(file.path), scene.kind]

    return Contender(
        name=name,
        records=file.records,
        command=command,
        check=lambda server, _stdout: check_people(server, scene, file, keys=file.records),
        read=reading(scene, file),
    )


def check_people(server: Server, scene: Scene, file: PeopleFile, *, keys: int) -> None:
    """Raises BenchError unless the server holds that many keys and some of them the right records."""
    found = server.client.dbsize()
    if found != keys:
        raise BenchError(f"{found} keys instead of {keys}")
    for number in {0, 1, file.records // 3, file.records // 2, file.records - 1}:
        expected = dict(zip(FIELDS, person(number, file.variant), strict=True))
        if stored(server, scene, key_of(number)) != expected:
            raise BenchError(f"key {key_of(number)} does not hold record {number}")


def stored(server: Server, scene: Scene, key: str) -> dict[str, str]:
    """What the server holds under a key, each value as text."""
    client: Any = server.client
    if scene.kind == "hash":
        return {name.decode(): value.decode() for name, value in client.hgetall(key).items()}
    return {name: str(value) for name, value in json.loads(client.get(key) or b"{}").items()}


def reading(scene: Scene, file: PeopleFile) -> Callable[[Server], Reads]:
    def read(server: Server) -> Reads:
        keys = [key_of(number).encode() for number in random_numbers(file.records, READS)]
        if scene.kind == "string":
            return Reads(median_us(server, (command_bytes([b"GET", key]) for key in keys)), None)
        whole_us = median_us(server, (command_bytes([b"HGETALL", key]) for key in keys))
        return Reads(whole_us, median_us(server, (command_bytes([b"HGET", key, b"note"]) for key in keys)))

    return read


def scene_table(scene: Scene, results: dict[str, Result], settings: Settings) -> Table:
    head = [
        "way",
        "records",
        "seconds",
        "records/s",
        "time / --pipe",
        "speed / script",
        "server busy",
        "client CPU s / M",
        "peak memory",
        "Redis bytes / record",
        *(["HGETALL us", "HGET us"] if scene.kind == "hash" else ["GET us"]),
    ]
    rounds = "one round" if settings.repeat == 1 else f"medians of {settings.repeat} rounds"
    title = f"{scene.title}, {settings.records:,} records, {rounds}"
    rows = [scene_row(scene, result, results) for result in results.values()]
    return Table(title, head, [*rows, *left_out(scene, len(head))])


def scene_row(scene: Scene, result: Result, results: dict[str, Result]) -> list[str]:
    return [
        result.contender.name,
        f"{result.contender.records:,}",
        f"{result.seconds:.2f}",
        f"{result.records_per_s:,.0f}",
        f"{result.time_ratio(results[REDIS_CLI]):.2f} x",
        f"{results[scene.script].time_ratio(result):.1f} x",
        percent(result.busy),
        f"{result.client_cpu_s_per_million:.2f}",
        mib(result.peak_bytes),
        "" if result.contender.prepare else f"{result.redis_bytes_per_record:,.0f}",
        *read_cells(scene, result.reads),
    ]


def read_cells(scene: Scene, reads: Reads | None) -> list[str]:
    slots = ["" if reads is None else f"{reads.whole_us:.1f}"]
    if scene.kind == "hash":
        slots.append("" if reads is None or reads.field_us is None else f"{reads.field_us:.1f}")
    return slots


def left_out(scene: Scene, width: int) -> Iterator[list[str]]:
    for library in LIBRARIES[scene.format]:
        if not installed(library):
            name = f"{library_name(library)}: left out, {library} is not installed"
            yield [name, *[""] * (width - 1)]


def speed_bars(scene: Scene, results: dict[str, Result]) -> list[Bar]:
    bars = [bar for wire in scene.wires for bar in wire_bars(scene, wire, results)]
    if RESTORE in scene.wires:
        bars += reading_bars(scene, results)
    return bars


def wire_bars(scene: Scene, wire: str, results: dict[str, Result]) -> list[Bar]:
    load = results[load_name(2, wire)]
    name = f"{scene.name}, {wire}, 2 workers"
    bars: list[Bar] = []
    if scene.kind == "hash":
        least = 3 if scene.format == "jsonl" else 5
        faster = results[scene.script].time_ratio(load)
        bars.append(Bar(f"{name}: speed / script", least, faster, times, at_least=True))
    if scene.kind == "hash" and scene.format != "jsonl":
        most = 0.75 if wire == RESTORE else 1.15
        ratio = load.time_ratio(results[REDIS_CLI])
        bars.append(Bar(f"{name}: time / redis-cli --pipe", most, ratio, times))
    ratio = results[VERIFY].time_ratio(load)
    return [*bars, Bar(f"{name}: verify / load", 1.5, ratio, times)]


def reading_bars(scene: Scene, results: dict[str, Result]) -> list[Bar]:
    """What RESTORE leaves behind, beside what HSET does."""
    ours, theirs = results[load_name(2, RESTORE)], results[REDIS_CLI]
    bars: list[Bar] = []
    if scene.variant != SHORT:
        ratio = ours.redis_bytes_per_record / theirs.redis_bytes_per_record
        bars.append(Bar(f"{scene.name}: memory in Redis, RESTORE / HSET", 0.45, ratio, times))
    if ours.reads and theirs.reads and ours.reads.field_us and theirs.reads.field_us:
        whole = ours.reads.whole_us / theirs.reads.whole_us
        field = ours.reads.field_us / theirs.reads.field_us
        bars.append(Bar(f"{scene.name}: HGETALL time, RESTORE / HSET", 1.1, whole, times))
        bars.append(Bar(f"{scene.name}: HGET time, RESTORE / HSET", 1.1, field, times))
    return bars


def memory_bars() -> list[Bar]:
    bars: list[Bar] = []
    for format in SCRIPTS:
        note(f"memory: 100 MB and 1 GB of {format}")
        for wire in WIRES["hash"]:
            small, large = (peak_bytes(people(format, records, WIDE), wire) for records in MEMORY_RECORDS)
            name = f"{format} to hashes, {wire}: memory of the largest process"
            bars += [
                Bar(f"{name}, 1 GB / 100 MB", 1.1, large / small, times),
                Bar(f"{name}, 1 GB", 200 * 2**20, large, mib),
            ]
    return bars


def peak_bytes(file: PeopleFile, wire: str) -> int:
    return measure(loading(Scene(file.format, "hash", file.variant), file, 2, wire)).peak_bytes
