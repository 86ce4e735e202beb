"""RDB files of random keys of every type, and what a server that starts from one has to hold."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.encode.choose import rdb_encoder, type_named
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.file import END, crc_of, header, padding, trailer
from etl.plan import Batch
from etl.template import parse_template

if TYPE_CHECKING:
    from redis import Redis

BASE_MS = 4_000_000_000_000
"""When what expires does: in 2096, and later by as many milliseconds as its record says."""

PACK = 7

Value = Callable[[random.Random], bytes]


@dataclass(frozen=True)
class Held:
    """What a key has to hold: a value of a type, as redis-py returns it, and when it expires (ms)."""

    kind: str
    value: Any
    expires_at: int | None = None


@dataclass
class RdbFile:
    """An RDB file of ``version`` in the making, and the keys that it has."""

    version: int
    entries: list[bytes]
    held: dict[bytes, Held]

    def add(self, kind: str, batch: Batch, values: Sequence[Any], *, expires: bool = False) -> None:
        """Encode a batch with the fields that a type takes: ``key``, ``ms`` and those of ``MAPPINGS``."""
        expiry = Expiry("PX", _template("{ms}")) if expires else None
        encoder = rdb_encoder(replace(MAPPINGS[kind], expiry=expiry), version=self.version, base_ms=BASE_MS)
        wire = encoder.encode(batch)
        self.entries += [b"".join(wire.buffers), padding(len(self.entries) + 3)]
        keys = batch.fields.column("key").to_pylist()
        ends = [BASE_MS + int(ms) if expires else None for ms in batch.fields.column("ms").to_pylist()]
        self.held |= {key: Held(kind, value, end) for key, value, end in zip(keys, values, ends, strict=True)}

    def add_packed(self, values: Sequence[bytes], first: int) -> None:
        """Encode strings that are numbered from ``first``, in batches that cut buckets."""
        mapping = replace(MAPPINGS["string"], key=_template("packed:{#}"), pack=PACK)
        encoder = rdb_encoder(mapping, version=self.version, base_ms=BASE_MS)
        parts = []
        for at in range(0, len(values), 10):
            batch = batch_of({"v": values[at : at + 10]}, first=first + at)
            made = b"".join(encoder.encode(batch).buffers)
            part = encoder.part_of(made)
            parts += [part] if part else []
            self.entries.append(made)
        self.entries.append(b"".join(encoder.complete(parts).buffers))
        for at, value in enumerate(values, first):
            bucket = self.held.setdefault(b"packed:%d" % (at // PACK), Held("hash", {}))
            bucket.value[b"%d" % (at % PACK)] = value

    def to_bytes(self) -> bytes:
        expires = sum(one.expires_at is not None for one in self.held.values())
        start = header(self.version, {b"redis-bits": b"64"}, keys=len(self.held), expires=expires)
        data = start + b"".join(self.entries) + END
        return data + trailer(crc_of(data))


def _template(text: str) -> Any:
    return parse_template(text, option="--value", argument=True)


def _mapping(kind: str, value: str, score: str = "{v}") -> RecordMapping:
    templates = {"key": _template("{key}"), "value": _template(value), "score": _template(score)}
    return RecordMapping(kind=kind, type=type_named(kind), expiry=None, if_exists="replace", **templates)


MAPPINGS: Mapping[str, RecordMapping] = {
    **{kind: _mapping(kind, "{v}") for kind in ("string", "json", "hash", "stream")},
    **{kind: _mapping(kind, "{tags[]}", "{scores[]}") for kind in ("list", "set", "zset")},
}


def batch_of(fields: Mapping[str, Sequence[Any]], *, spread: Sequence[str] = (), first: int = 0) -> Batch:
    """Make a batch; columns named ``x[]`` are lists."""
    columns = {
        name: pa.array(values, pa.list_(pa.binary()) if name.endswith("[]") else pa.binary())
        for name, values in fields.items()
    }
    record_batch = pa.RecordBatch.from_pydict(columns)
    numbers = pa.array(range(first, first + len(record_batch)), pa.int64())
    return Batch(record_batch, spread=tuple(spread), numbers=numbers)


def random_file(rng: random.Random, version: int, value: Value, *, keys_a_kind: int) -> RdbFile:
    """Make a file of keys of every type with such values; half of the types expire."""
    made = RdbFile(version, [], {})
    for kind in MAPPINGS:
        keys = _keys(rng, kind, keys_a_kind)
        fixed = {"key": keys, "ms": [b"%d" % rng.randrange(1, 10**12) for _ in keys]}
        fields, spread, values = _contents(rng, kind, value, len(keys))
        batch = batch_of({**fixed, **fields}, spread=spread)
        made.add(kind, batch, values, expires=rng.random() < 0.5)
    made.add_packed([value(rng) for _ in range(keys_a_kind)], rng.randrange(100))
    return made


def _keys(rng: random.Random, kind: str, count: int) -> list[bytes]:
    sizes = [0, 1, 30, 56, 57, 58, 59, 300, 17_000]
    ends = {rng.randbytes(rng.choices(sizes, [2, 9, 9, 2, 2, 2, 2, 1, 0.1])[0]) for _ in range(count)}
    return [kind.encode() + b":" + end for end in ends]


def _contents(
    rng: random.Random, kind: str, value: Value, count: int
) -> tuple[dict[str, list[Any]], list[str], list[Any]]:
    """Return fields, those that ``{*}`` stands for, and what each key holds."""
    if kind in ("string", "json"):
        texts = [value(rng) for _ in range(count)]
        return {"v": texts}, [], texts
    if kind in ("hash", "stream"):
        names = [
            f"f{at}" if rng.random() < 0.8 else "n" * 250 + str(at) for at in range(rng.choice([1, 3, 9, 30]))
        ]
        records = [{name: value(rng) for name in names if rng.random() < 0.8} for _ in range(count)]
        records = [record or {names[0]: b"alone"} for record in records]
        held = [{name.encode(): text for name, text in record.items()} for record in records]
        columns: dict[str, list[Any]] = {name: [record.get(name) for record in records] for name in names}
        return columns, names, held if kind == "hash" else [[(b"%d-0" % BASE_MS, one)] for one in held]
    sizes = rng.choices([1, 2, 5, 40, 130, 600], [5, 5, 5, 3, 2, 1], k=count)
    narrow = rng.random() < 0.5  # so that members are there twice
    tags = [
        [b"%d" % rng.randrange(-20, 20) if narrow and rng.random() < 0.9 else value(rng) for _ in range(size)]
        for size in sizes
    ]
    scores = [[_score(rng) for _ in one] for one in tags]
    kept: dict[str, Callable[[list[bytes], list[bytes]], Any]] = {
        "list": lambda texts, _: texts,
        "set": lambda texts, _: set(texts),
        "zset": lambda texts, of: dict(zip(texts, map(float, of), strict=True)),
    }
    held_of = kept[kind]
    return {"tags[]": tags, "scores[]": scores}, [], list(map(held_of, tags, scores))


def _score(rng: random.Random) -> bytes:
    texts = [
        b"%d" % rng.randrange(-5, 5),
        b"%.17g" % rng.uniform(-1e3, 1e3),
        b"inf",
        b"-inf",
        b"1e300",
        b"-0",
    ]
    return rng.choices(texts, [9, 9, 1, 1, 1, 1])[0]


_READ: Mapping[str, Callable[[Any, bytes], Any]] = {
    "string": lambda pipe, key: pipe.get(key),
    "json": lambda pipe, key: pipe.get(key),
    "hash": lambda pipe, key: pipe.hgetall(key),
    "list": lambda pipe, key: pipe.lrange(key, 0, -1),
    "set": lambda pipe, key: pipe.smembers(key),
    "zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    "stream": lambda pipe, key: pipe.xrange(key),
}


def differences(client: Redis, held: Mapping[bytes, Held]) -> list[str]:
    """Return how a server differs from what it has to hold: keys, values, expiries."""
    pipe: Any = client.pipeline(transaction=False)
    for key, one in held.items():
        _READ[one.kind](pipe, key)
        pipe.pttl(key)
    found = pipe.execute(raise_on_error=False)
    seconds, micros = client.time()
    now = 1000 * seconds + micros // 1000
    wrong = [] if client.dbsize() == len(held) else [f"it has {client.dbsize()} keys instead of {len(held)}"]
    for (key, one), value, pttl in zip(held.items(), found[::2], found[1::2], strict=True):
        there = dict(value) if one.kind == "zset" and isinstance(value, list) else value
        if there != one.value:
            wrong.append(f"{one.kind} {key!r:.60} is {there!r:.300} instead of {one.value!r:.300}")
        elif one.kind == "zset" and value != sorted(value, key=lambda pair: (pair[1], pair[0])):
            wrong.append(f"zset {key!r:.60} is out of order: {value!r:.300}")
        elif (pttl == -1) if one.expires_at else (pttl != -1):
            wrong.append(f"{one.kind} {key!r:.60} has the TTL {pttl}")
        elif one.expires_at and abs(now + pttl - one.expires_at) > 60_000:
            wrong.append(f"{one.kind} {key!r:.60} expires at {now + pttl} instead of {one.expires_at}")
    return wrong


def check_rdb(binary: str, path: Path) -> str:
    """Return what a server's own ``redis-check-rdb`` says of a file, which is the server by another name."""
    with tempfile.TemporaryDirectory() as folder:
        tool = Path(folder) / "redis-check-rdb"
        tool.symlink_to(Path(binary).resolve())
        said = subprocess.run([tool, path], capture_output=True, check=False)
    return said.stdout.decode(errors="replace")
