"""The one inner loop, whoever runs it: a Process, another machine, or the calling process itself.

``run_shard`` is the entry; ``shard`` sends a worker's blocks and judges the answers, ``selection`` says which
records are its own, ``results`` counts what became of them, ``ledger`` knows which blocks are done,
``rate_limit`` and ``waiting`` wait. ``messages`` are what parent and worker say to each other.
"""

from etl.worker.results import MAX_EXAMPLES, describe
from etl.worker.run_shard import run_shard

__all__ = ["MAX_EXAMPLES", "describe", "run_shard"]
