"""The obvious script: N processes, each takes every N-th record and sends it in pipelines of 1000.

Usage: records.py READER PORT FILE hash|string
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing import get_context
from typing import Any

import redis

PROCESSES = 2
COMMANDS = 1000
CHUNK_RECORDS = 50_000

Records = Iterator[dict[Any, Any]]


def from_csv(path: str, i: int) -> Records:
    with open(path, newline="", encoding="utf-8") as file:
        yield from islice(csv.DictReader(file), i, None, PROCESSES)


def from_jsonl(path: str, i: int) -> Records:
    with open(path, "rb") as file:
        for line in islice(file, i, None, PROCESSES):
            yield json.loads(line)


def from_parquet(path: str, i: int) -> Records:
    import pyarrow.parquet as pq

    batches = pq.ParquetFile(path).iter_batches()
    records = (record for batch in batches for record in batch.to_pylist())
    yield from islice(records, i, None, PROCESSES)


def from_pandas(path: str, i: int) -> Records:
    import pandas as pd

    for chunk in pd.read_csv(path, dtype=str, chunksize=CHUNK_RECORDS):
        yield from chunk.iloc[i::PROCESSES].to_dict("records")


def from_duckdb(path: str, i: int) -> Records:
    import duckdb

    table = "read_csv(?, all_varchar=true)" if path.endswith(".csv") else "read_parquet(?)"
    rows = duckdb.execute(f"SELECT * FROM {table} WHERE id::BIGINT % {PROCESSES} = {i}", [path])
    names = [column[0] for column in rows.description]
    while some := rows.fetchmany(COMMANDS):
        yield from (dict(zip(names, row, strict=True)) for row in some)


READERS: dict[str, Callable[[str, int], Records]] = {
    "csv": from_csv,
    "jsonl": from_jsonl,
    "parquet": from_parquet,
    "pandas": from_pandas,
    "duckdb": from_duckdb,
}


def work(reader: str, port: int, path: str, kind: str, i: int) -> None:
    pipeline = redis.Redis(port=port).pipeline(transaction=False)
    for record in READERS[reader](path, i):
        key = f"user:{record['id']}"
        if kind == "hash":
            pipeline.hset(key, mapping=record)
        else:
            pipeline.set(key, json.dumps(record))
        if len(pipeline) == COMMANDS:
            pipeline.execute()
    pipeline.execute()


def main(reader: str, port: int, path: str, kind: str) -> int:
    context = get_context("fork")
    workers = [context.Process(target=work, args=(reader, port, path, kind, i)) for i in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(abs(worker.exitcode or 0) for worker in workers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
