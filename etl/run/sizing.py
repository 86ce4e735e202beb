"""How many workers an input is worth."""

from __future__ import annotations

import os

from etl.options import MAX_WORKERS
from etl.plan import Source
from etl.units import MIB

UNKNOWN_SIZE = 1 << 40
"""What a stream of unknown size is taken for."""


BYTES_WORTH_A_WORKER = 4 * MIB
"""A worker takes about 50 ms to start, in which another one loads this much."""


def choose_worker_count(source: Source, most: int = MAX_WORKERS) -> int:
    """Return a number of workers up to ``most``: one a core, none whose start takes more than it saves."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if source.nbytes is None:
        return min(cores, most)
    return max(1, min(cores, most, source.nbytes // BYTES_WORTH_A_WORKER))
