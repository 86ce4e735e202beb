"""Keys that travel finished, by RESTORE, beside the commands that build them: what the server spends on each.

The redis-server that is first on PATH is measured: the form of the payloads is its own, taken from DUMP.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from .harness.binaries import binary
from .harness.errors import BenchError
from .harness.measure import Contender, Result, measure_all
from .harness.people import command_bytes
from .harness.server import Server
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "hashes of six fields, and lists, sets, sorted sets and streams of eight members, by RESTORE"
RECORDS = 200_000
QUICK_RECORDS = 5_000

Command = list[bytes]

MEMBERS = [b"member:%04d" % number for number in range(8)]
NAMES = {b"id": b"1000000", b"name": b"Ada Lovelace", b"city": b"Amsterdam", b"score": b"0.01"}
EMAIL = {b"email": b"ada.lovelace0@example.org"}


def hset(note_bytes: int) -> Callable[[bytes], list[Command]]:
    fields = {**NAMES, **EMAIL, b"note": b"n" * note_bytes}
    words = [word for field in fields.items() for word in field]
    return lambda key: [[b"DEL", key], [b"HSET", key, *words]]


KINDS: dict[str, Callable[[bytes], list[Command]]] = {
    "hash, values up to 64 bytes": hset(40),
    "hash, one value of 70 bytes": hset(70),
    "list": lambda key: [[b"RPUSH", key, *MEMBERS]],
    "set": lambda key: [[b"SADD", key, *MEMBERS]],
    "sorted set": lambda key: [
        [b"ZADD", key, *(word for at, member in enumerate(MEMBERS) for word in (b"%d.5" % at, member))]
    ],
    "stream": lambda key: [[b"XADD", key, b"*", b"f", member] for member in MEMBERS],
}


def tables(settings: Settings) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="redis-etl-bench-") as folder:
        results = measure_all(list(contenders(Path(folder), settings.records)), repeat=settings.repeat)
    head = ["key", "built, us", "RESTORE, us", "built, bytes", "RESTORE, bytes"]
    rows = [row(kind, results[kind], results[restored(kind)]) for kind in KINDS]
    return [Table(f"{settings.records:,} keys of a kind: the server's CPU and memory for one", head, rows)]


def restored(kind: str) -> str:
    return f"{kind}, by RESTORE"


def contenders(folder: Path, keys: int) -> Iterator[Contender]:
    for number, (kind, build) in enumerate(KINDS.items()):
        payload = dumped(build(b"k"))

        def restore(key: bytes, payload: bytes = payload) -> list[Command]:
            return [[b"RESTORE", key, b"0", payload, b"REPLACE"]]

        for name, way in ((kind, build), (restored(kind), restore)):
            path = folder / f"{number}-{way is restore}.resp"
            path.write_bytes(b"".join(command_bytes(c) for at in range(keys) for c in way(b"key:%d" % at)))
            yield Contender(name, keys, redis_cli, check(keys), standard_input=path)


def dumped(commands: list[Command]) -> bytes:
    """Return what DUMP says of the key, kept compact however long its values are."""
    with Server() as server:
        client: Any = server.client
        for name in ("hash-max-listpack-value", "hash-max-ziplist-value"):
            if client.config_get(name):
                client.config_set(name, 1000)
        for command in commands:
            client.execute_command(*command)
        payload: bytes = client.dump("k")
        return payload


def redis_cli(server: Server) -> list[str]:
    return [binary("redis-cli"), "-p", str(server.port), "--pipe"]


def check(keys: int) -> Callable[[Server, str], None]:
    def check_keys(server: Server, stdout: str) -> None:
        if "errors: 0" not in stdout or server.client.dbsize() != keys:
            raise BenchError(f"redis-cli --pipe: {stdout}")

    return check_keys


def row(kind: str, built: Result, finished: Result) -> list[str]:
    spent = [f"{server_us(result):.1f}" for result in (built, finished)]
    held = [f"{result.redis_bytes_per_record:,.0f}" for result in (built, finished)]
    return [kind, *spent, *held]


def server_us(result: Result) -> float:
    cpu_s = median(each.server_cpu_s for each in result.measurements)
    return cpu_s * 1e6 / result.contender.records
