"""Rows as workers would have spilled them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from etl.plan import Wire
from etl.sink.spill import SpillTarget
from etl.sink.spilled_runs import Runs
from tests.unit.memory import Told


def runs_of(folder: Path, schema: pa.Schema, *columns: Sequence[object], size: int = 7) -> Runs:
    """Write rows in runs of ``size`` rows, by two workers in turn; return the runs."""
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    target = SpillTarget(str(folder), "rows", schema, run_bytes=1)
    sessions = [target.connect_reconnecting(f"worker-{number}", Told()) for number in range(2)]
    for number, start in enumerate(range(0, len(arrays[0]), size)):
        rows = pa.RecordBatch.from_arrays([array.slice(start, size) for array in arrays], schema=schema)
        data = memoryview(rows.serialize())
        list(sessions[number % 2].submit(Wire((data,), range(len(rows) + 1), None, len(data)), None))
    for session in sessions:
        session.close()
    return target.runs()


def counting() -> tuple[list[None], Callable[[], None]]:
    """Return a list that grows with each call of what comes with it."""
    calls: list[None] = []
    return calls, lambda: calls.append(None)
