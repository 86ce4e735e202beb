"""Input files of records with six fields, in several formats that hold the same values; made once.

Every value can be had again by its record's number (``person``), so what a server holds can be checked
without the file. No value has two spellings: a score is never a whole number and has no zero at its end.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .data import FOLDER, POOL_LINES, write_once

FIELDS = ("id", "name", "city", "email", "score", "note")
FIRST_ID = 1_000_000
KEY = "user:{id}"
NUMBERED_KEY = "user:{#}"

GROUP_RECORDS = 122_880
"""Records in a row group of Parquet: what DuckDB writes, and between what other writers do."""

_FIRST = ("Ada", "Grace", "Linus", "Barbara", "Edsger", "Donald", "Margaret", "Salvatore")
_LAST = ("Lovelace", "Hopper", "Torvalds", "Liskov", "Dijkstra", "Knuth", "Hamilton", "Sanfilippo")
_CITIES = ("Amsterdam", "Berlin", "Catania", "Delhi", "Edinburgh", "Fukuoka", "Gothenburg", "Helsinki")

Person = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """How long a record's note is. Up to 64 bytes Redis keeps a hash compact, beyond it does not.

    A ``quoted`` note holds a comma, so in CSV it stands in quotes.
    """

    name: str
    note_bytes: int = 70
    quoted: bool = False


LONG = Variant("long")
SHORT = Variant("short", note_bytes=40)
QUOTED = Variant("quoted", quoted=True)
WIDE = Variant("wide", note_bytes=880)


@dataclass(frozen=True, slots=True)
class PeopleFile:
    path: Path
    format: str
    records: int
    variant: Variant


def people(format: str, records: int, variant: Variant) -> PeopleFile:
    """A file of people; of the same variant, a file of fewer records is the beginning of a longer one."""
    path = FOLDER / f"people-{records}-{variant.name}.{format}"
    if format == "parquet":
        write_parquet(path, records, variant)
    else:
        write_once(path, (csv_lines if format == "csv" else json_lines)(records, variant))
    return PeopleFile(path, format, records, variant)


def person(number: int, variant: Variant) -> Person:
    """The values of a record, in the order of FIELDS, as the text that a CSV file has."""
    first, last = _FIRST[number % 8], _LAST[number // 8 % 8]
    digits = 1 + number * 7919 % 9_999_999
    score = f"{digits // 100}.{digits % 100 or 1:02d}".rstrip("0")
    email = f"{first}.{last}{number}@example.org".lower()
    note = notes(variant)[number % POOL_LINES]
    return str(FIRST_ID + number), f"{first} {last}", _CITIES[number // 64 % 8], email, score, note


@lru_cache
def notes(variant: Variant) -> list[str]:
    source = random.Random(variant.note_bytes)
    letters = string.ascii_letters + string.digits + " "
    middle = ", " if variant.quoted else "--"
    texts = ("".join(source.choices(letters, k=variant.note_bytes - 4)) for _ in range(POOL_LINES))
    return [f"n{text[:20]}{middle}{text[20:]}n" for text in texts]


def key_of(number: int, key: str = KEY) -> str:
    return key.replace("{id}", str(FIRST_ID + number)).replace("{#}", str(number))


def everyone(records: int, variant: Variant) -> Iterator[Person]:
    return (person(number, variant) for number in range(records))


def csv_lines(records: int, variant: Variant) -> Iterator[bytes]:
    yield ",".join(FIELDS).encode() + b"\n"
    last = '"%s"' if variant.quoted else "%s"
    line = ",".join(["%s"] * 5 + [last]) + "\n"
    for values in everyone(records, variant):
        yield (line % values).encode()


def json_lines(records: int, variant: Variant) -> Iterator[bytes]:
    return (b"%s\n" % json_text(values) for values in everyone(records, variant))


def json_text(values: Person) -> bytes:
    # No value needs an escape. The id and the score are numbers.
    template = '{"id": %s, "name": "%s", "city": "%s", "email": "%s", "score": %s, "note": "%s"}'
    return (template % values).encode()


def write_parquet(path: Path, records: int, variant: Variant) -> None:
    if path.exists():
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"id": pa.int64(), "score": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in FIELDS])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with pq.ParquetWriter(part, schema) as writer:
        for start in range(0, records, GROUP_RECORDS):
            numbers = range(start, min(start + GROUP_RECORDS, records))
            columns = zip(*(person(number, variant) for number in numbers), strict=True)
            arrays = [
                pa.array(column, pa.string()).cast(type)
                for column, type in zip(columns, schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_RECORDS)
    part.rename(path)


def hset_protocol(records: int, variant: Variant, *, key: str = KEY) -> Path:
    """The same people as ready-made ``HSET key id ...`` commands, for ``redis-cli --pipe``."""
    ending = "" if key == KEY else "-numbered"
    path = FOLDER / f"people-{records}-{variant.name}-hset{ending}.resp"
    numbered = enumerate(everyone(records, variant))
    write_once(path, (hset_command(key_of(number, key), values) for number, values in numbered))
    return path


def hset_command(key: str, values: Person) -> bytes:
    pairs = (part for pair in zip(FIELDS, values, strict=True) for part in pair)
    return command_bytes([part.encode() for part in ("HSET", key, *pairs)])


def set_protocol(records: int, variant: Variant) -> Path:
    """The same people as ready-made ``SET key JSON`` commands, for ``redis-cli --pipe``."""
    path = FOLDER / f"people-{records}-{variant.name}-set.resp"
    numbered = enumerate(everyone(records, variant))
    write_once(
        path,
        (command_bytes([b"SET", key_of(number).encode(), json_text(values)]) for number, values in numbered),
    )
    return path


def command_bytes(arguments: Iterable[bytes]) -> bytes:
    parts = [b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments]
    return b"*%d\r\n%s" % (len(parts), b"".join(parts))
