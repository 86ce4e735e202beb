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


def worth(source: Source) -> int:
    """Choose the number of workers: one a core, but none that would take longer to start than to help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if source.nbytes is None:
        return min(cores, MAX_WORKERS)
    return max(1, min(cores, MAX_WORKERS, source.nbytes // BYTES_WORTH_A_WORKER))
