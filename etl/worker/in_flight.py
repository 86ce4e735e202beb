"""A piece of a block on its way: what a response of the server is about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from etl.plan import Batch, Block, Checkpoint, Wire
from etl.worker.joint import Joint


@dataclass(frozen=True, slots=True)
class InFlight:
    """``batch`` is a part of ``block``; ``number`` counts the pieces in the order of their records.

    ``single``: its commands carry one record each. ``counted``: what becomes of its records counts; it does
    not where they are sent once more although they were written. ``tries``: how often it was refused for now.

    ``node`` is where it goes, in a cluster, and ``asking`` says that this is not the node of its slots yet.
    Where a record has several keys, ``part`` is the number of the encoder, ``joint`` gathers what becomes of
    the records, and ``places`` are those of the batch's records in it.

    ``checkpoint`` and ``inner`` are those of a fenced piece: where the checkpoint is once it was applied, and
    the wire inside the fence.
    """

    block: Block
    batch: Batch
    number: int = 0
    single: bool = False
    counted: bool = True
    tries: int = 0
    node: str = ""
    asking: bool = False
    part: int = 0
    joint: Joint | None = None
    places: pa.Array | None = None
    checkpoint: Checkpoint | None = None
    inner: Wire | None = None

    def take(self, indices: pa.Array) -> InFlight:
        """Return a piece of the records at ``indices``."""
        places = None if self.places is None else self.places.take(indices)
        return replace(self, batch=self.batch.take(indices), places=places)
