"""One table of people in every format, and what Python's readers (csv, json, pyarrow) say of the files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from tests.support.data import is_of_a_job

Record = dict[bytes, bytes]

_NAMES = (
    "Ada",
    "Zoë 漢字 😀",
    'has "quotes", and commas',
    "two\nlines\r\nand a third",
    "",
    "{id} {{#}} {*}",
    "\\n \\u0041 \\",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "tab\there",
    "x" * 5000,
)
_NUMBERS = ("007", "1.10", "1e5", "-0.0", "12345678901234567890", "", "NaN")


def people(count: int, first: int = 0) -> list[dict[str, str]]:
    """Make people: ids, names of every kind, numbers as texts."""
    return [
        {
            "id": str(number),
            "name": _NAMES[number % len(_NAMES)],
            "number": _NUMBERS[number % len(_NUMBERS)],
            "city": ("Ulm", "Bonn", "Kiel")[number % 3],
        }
        for number in range(first, first + count)
    ]


def write(path: Path, some: list[dict[str, str]]) -> Path:
    """Write people in the format that the name of the file says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[path.suffix](path, some)
    return path


def text_of(suffix: str, some: list[dict[str, str]]) -> bytes:
    """Return the text of a file of a text format."""
    return _TEXTS[suffix](some)


def _csv(delimiter: str) -> Callable[[list[dict[str, str]]], bytes]:
    def text(some: list[dict[str, str]]) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.DictWriter(
            out, ["id", "name", "number", "city"], delimiter=delimiter, lineterminator="\r\n"
        )
        writer.writeheader()
        writer.writerows(some)
        return out.getvalue().encode()

    return text


def _jsonl(some: list[dict[str, str]]) -> bytes:
    return b"".join(_object(one).encode() + b"\n" for one in some)


def _json(some: list[dict[str, str]]) -> bytes:
    return ("[" + ",\n ".join(map(_object, some)) + "]").encode()


def _object(one: dict[str, str]) -> str:
    """Write a person with what JSON has more: numbers, null, nested values."""
    number = one["number"] if one["number"] not in ("", "007", "NaN") else "null"
    tags = json.dumps([one["city"], one["name"][:3]], ensure_ascii=int(one["id"]) % 2 == 0)
    texts = {name: one[name] for name in ("id", "name", "city")}
    more = f', "number": {number}, "tags": {tags}, "at": {{"zip": "0{one["id"]}", "deep": {{"x": 1.0}}}}}}'
    return json.dumps(texts)[:-1] + more


def table_of(some: list[dict[str, str]]) -> pa.Table:
    """Make a table of people with columns of several types."""
    ids = [int(one["id"]) for one in some]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "name": pa.array([one["name"] or None for one in some], pa.string()),
            "height": pa.array([number / 8 - 1 for number in ids], pa.float64()),
            "price": pa.array([Decimal(number).scaleb(-2) for number in ids], pa.decimal128(20, 2)),
            "alive": pa.array([number % 2 == 0 for number in ids], pa.bool_()),
            "photo": pa.array([bytes([number % 256, 0, 255]) for number in ids], pa.binary()),
            "city": pa.array([one["city"] for one in some]).dictionary_encode(),
        }
    )


def _parquet(path: Path, some: list[dict[str, str]]) -> None:
    pyarrow.parquet.write_table(table_of(some), path, row_group_size=max(len(some) // 7, 1))


def _arrow(path: Path, some: list[dict[str, str]]) -> None:
    table = table_of(some)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(len(some) // 7, 1))


def _feather(path: Path, some: list[dict[str, str]]) -> None:
    pyarrow.feather.write_feather(table_of(some), str(path), compression="zstd")


def _orc(path: Path, some: list[dict[str, str]]) -> None:
    table = table_of(some)
    table = table.set_column(table.schema.get_field_index("city"), "city", table["city"].cast(pa.string()))
    with pyarrow.orc.ORCWriter(path, stripe_size=1, batch_size=max(len(some) // 7, 1)) as writer:
        writer.write(table)


_TEXTS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    ".csv": _csv(","),
    ".tsv": _csv("\t"),
    ".jsonl": _jsonl,
    ".json": _json,
}
_WRITERS: dict[str, Callable[[Path, list[dict[str, str]]], Any]] = {
    **{suffix: lambda path, some: path.write_bytes(_TEXTS[path.suffix](some)) for suffix in _TEXTS},
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _feather,
    ".orc": _orc,
}
SUFFIXES = tuple(_WRITERS)
TEXT_SUFFIXES = tuple(_TEXTS)


def read_by_python(path: Path) -> list[Record]:
    """Read a file by Python's own readers, as hashes: without what is null."""
    if path.suffix in (".csv", ".tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t"))
        return [{name.encode(): value.encode() for name, value in row.items()} for row in rows]
    if path.suffix in (".jsonl", ".json"):
        text = path.read_text()
        texts = text.splitlines() if path.suffix == ".jsonl" else []
        objects = [_literal(one) for one in texts] if texts else _literal(text or "[]")
        return [_hash(one) for one in objects]
    if path.suffix == ".parquet":
        return [_hash(one) for one in pyarrow.parquet.read_table(path).to_pylist()]
    if path.suffix == ".orc":
        return [_hash(one) for one in pyarrow.orc.read_table(path).to_pylist()]
    return [_hash(one) for one in pyarrow.feather.read_table(path).to_pylist()]


class _Number(str):
    """A JSON number by its text."""


def _literal(text: str) -> Any:
    return json.loads(text, parse_float=_Number, parse_int=_Number)


def _hash(one: dict[str, Any]) -> Record:
    return {name.encode(): _text(value) for name, value in one.items() if value is not None}


def _text(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, dict | list):
        return _json_text(value).encode()
    return str(value).encode()


def _json_text(value: Any) -> str:
    if isinstance(value, dict):
        inner = ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_json_text(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json_text, value)) + "]"
    return value if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def hashes(client: Any, pattern: str = "*") -> dict[bytes, Record]:
    """Return every hash of the data that the server holds, by its key."""
    keys = [key for key in client.scan_iter(pattern, count=1000) if not is_of_a_job(key)]
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        return dict(zip(keys, pipe.execute(), strict=True))


def by_id(records: list[Record], prefix: bytes = b"p:") -> dict[bytes, Record]:
    """Return records by the key that ``--key 'p:{id}'`` gives them."""
    return {prefix + record[b"id"]: record for record in records}
