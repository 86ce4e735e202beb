"""Reading a whole source as a worker does, after it has travelled to one."""

from __future__ import annotations

import pickle
from typing import Any

from etl.plan import Projection, Source

ALL = Projection(all=True)


def read(source: Source, block_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    """Return the records of all blocks, whose numbers must be 0, 1, 2 ..."""
    blocks = list(source.blocks(block_bytes))
    reader = pickle.loads(pickle.dumps(source)).open(ALL)  # noqa: S301 - as a plan travels to its workers
    batches = [batch for block in blocks for batch in reader.read(block)]
    numbers = [number for batch in batches for number in batch.numbers.to_pylist()]
    assert numbers == list(range(len(numbers)))
    return [record for batch in batches for record in batch.fields.to_pylist()]
