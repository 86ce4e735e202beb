"""Runs of rows in memory, as workers would have spilled them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from etl.sink.spill import Runs


def runs_of(schema: pa.Schema, *columns: Sequence[object], size: int = 7) -> Runs:
    """Cut rows into runs of ``size`` rows, each sorted by the first bits of its hashes."""
    table = pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )
    runs = []
    for start in range(0, len(table), size):
        rows = table.slice(start, size).to_pylist()
        rows.sort(key=lambda row: row["hash"] >> 52)
        runs.append(pa.RecordBatch.from_pylist(rows, schema=schema))
    return Runs(runs)


def counting() -> tuple[list[None], Callable[[], None]]:
    """Return a list that grows with each call of what comes with it."""
    calls: list[None] = []
    return calls, lambda: calls.append(None)
