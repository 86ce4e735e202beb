"""Loads of one CSV file of every kind, and what a cluster must hold after each: worked out without us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COUNT = 400
TAGS = 8

Record = dict[str, str]
Held = dict[bytes, object]


def records(count: int = COUNT, *, unique: bool = False) -> list[Record]:
    """Return records with short and long values; unless ``unique``, every third has an earlier one's id."""
    return [
        {
            "id": str(number if unique or number % 3 else number // 2),
            "tag": f"t{number % TAGS}",
            "value": f"{number} " + "x" * (number % 97),
            "score": str(number * 7 % 31),
        }
        for number in range(count)
    ]


def write_csv(path: Path, rows: list[Record]) -> Path:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _bytes(row: Record, *names: str) -> dict[bytes, bytes]:
    return {name.encode(): row[name].encode() for name in names or row}


def _strings(key: Callable[[Record], str]) -> Callable[[list[Record]], Held]:
    """Each key has the value of its last record."""
    return lambda rows: {key(row).encode(): row["value"].encode() for row in rows}


def _hashes(rows: list[Record]) -> Held:
    return {b"h:" + row["id"].encode(): _bytes(row) for row in rows}


def _members(row_key: Callable[[Record], str]) -> Callable[[list[Record]], Held]:
    def held(rows: list[Record]) -> Held:
        sets: dict[bytes, set[bytes]] = {}
        for row in rows:
            sets.setdefault(row_key(row).encode(), set()).add(row["value"].encode())
        return dict(sets)

    return held


def _elements(row_key: Callable[[Record], str]) -> Callable[[list[Record]], Held]:
    def held(rows: list[Record]) -> Held:
        lists: dict[bytes, list[bytes]] = {}
        for row in rows:
            lists.setdefault(row_key(row).encode(), []).append(row["value"].encode())
        return dict(lists)

    return held


def _scores(rows: list[Record]) -> Held:
    boards: dict[bytes, dict[bytes, float]] = {}
    for row in rows:
        boards.setdefault(f"z:{row['tag']}".encode(), {})[row["id"].encode()] = float(row["score"])
    return dict(boards)


def _entries(rows: list[Record]) -> Held:
    streams: dict[bytes, list[dict[bytes, bytes]]] = {}
    for row in rows:
        streams.setdefault(f"x:{{{row['tag']}}}".encode(), []).append(_bytes(row))
    return dict(streams)


def _buckets(rows: list[Record]) -> Held:
    buckets: dict[bytes, dict[bytes, bytes]] = {}
    for number, row in enumerate(rows):
        bucket = buckets.setdefault(b"b:%d" % (number // 16), {})
        bucket[b"%d" % (number % 16)] = row["value"].encode()
    return dict(buckets)


def _sum(rows: list[Record]) -> Held:
    return {b"sum": str(sum(int(row["score"]) for row in rows)).encode()}


def _several(rows: list[Record]) -> Held:
    users = {b"u:" + row["id"].encode(): _bytes(row, "value", "score") for row in rows}
    found: dict[bytes, set[bytes]] = {}
    for row in rows:
        found.setdefault(f"s:{row['tag']}".encode(), set()).add(row["id"].encode())
    return {**users, **found, **_scores(rows)}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of load: its options, and what is held after it. ``verified``: also compared by ``verify``."""

    options: tuple[str, ...]
    held: Callable[[list[Record]], Held]
    verified: bool = True

    def with_options(self, *more: str) -> tuple[str, ...]:
        return (*self.options, *more)


_VALUE = ("--value", "{value}")

KINDS: dict[str, Kind] = {
    "strings": Kind(("--key", "k:{id}", "--as", "string", *_VALUE), _strings(lambda row: f"k:{row['id']}")),
    "strings, many in a slot": Kind(
        ("--key", "{{{tag}}}:{id}", "--as", "string", *_VALUE),
        _strings(lambda row: f"{{{row['tag']}}}:{row['id']}"),
    ),
    "strings with a TTL": Kind(
        ("--key", "{{{tag}}}:{id}", "--as", "string", *_VALUE, "--ttl", "1h"),
        _strings(lambda row: f"{{{row['tag']}}}:{row['id']}"),
    ),
    "hashes by RESTORE": Kind(("--key", "h:{id}", "--wire", "restore"), _hashes),
    "hashes by HSET": Kind(("--key", "h:{id}", "--wire", "hset"), _hashes),
    "hashes that are merged": Kind(("--key", "h:{id}", "--if-exists", "merge", "--ttl", "1h"), _hashes),
    "packed strings": Kind(("--key", "b:{#}", "--as", "string", *_VALUE, "--pack", "16"), _buckets),
    "packed strings by HSET": Kind(
        ("--key", "b:{#}", "--as", "string", *_VALUE, "--pack", "16", "--wire", "hset"), _buckets
    ),
    "sets": Kind(("--key", "s:{tag}", "--as", "set", *_VALUE), _members(lambda row: f"s:{row['tag']}")),
    "one set": Kind(("--key", "all", "--as", "set", *_VALUE), _members(lambda row: "all")),
    "sorted sets": Kind(
        ("--key", "z:{tag}", "--as", "zset", "--score", "{score}", "--value", "{id}"), _scores
    ),
    "one list": Kind(("--key", "all", "--as", "list", *_VALUE), _elements(lambda row: "all")),
    "lists in one slot": Kind(
        ("--key", "{{l}}:{tag}", "--as", "list", *_VALUE), _elements(lambda row: f"{{l}}:{row['tag']}")
    ),
    "lists": Kind(
        ("--key", "l:{tag}", "--as", "list", *_VALUE, "--at-least-once"),
        _elements(lambda row: f"l:{row['tag']}"),
    ),
    "streams": Kind(("--key", "x:{{{tag}}}", "--as", "stream", "--at-least-once"), _entries, False),
    "a command": Kind(("--command", "SET k:{id} {value}"), _strings(lambda row: f"k:{row['id']}")),
    "a command that adds up": Kind(("--command", "INCRBY sum {score}"), _sum, False),
    "several commands a record": Kind(
        (
            *("--command", "HSET u:{id} value {value} score {score}"),
            *("--command", "SADD s:{tag} {id}"),
            *("--command", "ZADD z:{tag} {score} {id}"),
        ),
        _several,
    ),
}
