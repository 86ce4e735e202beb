"""What a worker spends on turning records into commands, into RESTOREs, and into entries of an RDB file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pyarrow as pa

from etl.encode.choose import rdb_encoder, type_named
from etl.encode.mapping import RecordMapping
from etl.encode.rdb.hashes import LISTPACK
from etl.encode.strategies.restore import RestoreEncoder
from etl.plan import Batch, Encoder
from etl.template import Template, parse_template

from .harness.people import FIELDS, KEY, LONG, everyone
from .harness.settings import Settings
from .harness.table import Table

SUMMARY = "client CPU to encode a record, by commands, by RESTORE and as RDB entries"
RECORDS = 25_000
QUICK_RECORDS = 2_000

_ROUNDS = 9  # of each repetition: a round takes a fraction of a second
_MEMBERS = 8


def tables(settings: Settings) -> list[Table]:
    pa.set_cpu_count(1)
    batch = people(settings.records)
    rows = [row for kind in _TEMPLATES for row in _rows(kind, batch, _ROUNDS * settings.repeat)]
    head = ["a record becomes", "CPU us a record", "of its commands'", "bytes a record"]
    return [Table(f"{settings.records:,} records of six fields, {_MEMBERS} members of a key", head, rows)]


def people(count: int) -> Batch:
    """Return the people of the benchmark as a block of records, with an array field ``tags``, and scores."""
    columns = zip(*everyone(count, LONG), strict=True)
    fields = {
        name: pa.array([text.encode() for text in column], pa.binary())
        for name, column in zip(FIELDS, columns, strict=True)
    }
    tags = [[b"member:%04d" % (at * 7 + n * 31) for n in range(_MEMBERS)] for at in range(count)]
    scores = [[b"%d.5" % (at % 100 + n) for n in range(_MEMBERS)] for at in range(count)]
    arrays = {"tags[]": tags, "scores[]": scores}
    more = {name: pa.array(values, pa.list_(pa.binary())) for name, values in arrays.items()}
    numbers = pa.array(range(count), pa.int64())
    return Batch(pa.RecordBatch.from_pydict({**fields, **more}), spread=FIELDS, numbers=numbers)


_TEMPLATES = {
    "string": ("{note}", "{score}"),
    "hash": ("{note}", "{score}"),
    "list": ("{tags[]}", "{score}"),
    "set": ("{tags[]}", "{score}"),
    "zset": ("{tags[]}", "{scores[]}"),
    "stream": ("{note}", "{score}"),
}


def encoders(kind: str) -> Iterator[tuple[str, Encoder]]:
    """Yield the ways in which a record becomes a key of a type: by its commands first, where they can."""
    value, score = map(_template, _TEMPLATES[kind])
    mapping = RecordMapping(
        kind=kind,
        type=type_named(kind),
        key=_template(KEY),
        value=value,
        score=score,
        expiry=None,
        if_exists="replace",
    )
    if kind != "zset":  # whose commands take no array
        yield f"{kind}, commands", mapping.encoder()
    if kind == "hash":
        yield "hash, RESTORE", RestoreEncoder(mapping.key, (), "replace", LISTPACK)
    for version in (9, 10, 11):
        yield f"{kind}, RDB version {version}", rdb_encoder(mapping, version=version, base_ms=1)


def _rows(kind: str, batch: Batch, rounds: int) -> list[list[str]]:
    ways = list(encoders(kind))
    taken: dict[str, list[float]] = {name: [] for name, _ in ways}
    nbytes: dict[str, int] = {}
    for _ in range(rounds):  # by turns, as the speed of a machine drifts
        for name, encoder in ways:
            started_at = time.process_time()
            nbytes[name] = encoder.encode(batch).nbytes
            taken[name].append((time.process_time() - started_at) / len(batch) * 1e6)
    first = taken[ways[0][0]]
    rows = []
    for name, _ in ways:
        ratio = median(own / other for own, other in zip(taken[name], first, strict=True))
        shown = f"{ratio:.2f} x" if "commands" in ways[0][0] else ""
        rows.append([name, f"{median(taken[name]):.2f}", shown, f"{nbytes[name] / len(batch):.0f}"])
    return rows


def _template(text: str) -> Template:
    return parse_template(text, option="--value", argument=True)
