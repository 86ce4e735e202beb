"""The one inner loop of every runner: a Process, another machine, or the calling process itself.

``run_shard`` is the entry. ``shard`` alone sends; ``commit``, ``resend`` and ``fencing`` say what is to be
sent besides a worker's blocks. ``share`` reads its records, ``encoding`` makes wires of them, ``results``
counts what became of them, ``ledger`` knows which blocks are completed. ``rate_limit`` and ``waiting`` wait,
``messages`` are what parent and worker send each other.
"""

from etl.worker.results import MAX_EXAMPLES, describe
from etl.worker.run_shard import run_shard

__all__ = ["MAX_EXAMPLES", "describe", "run_shard"]
