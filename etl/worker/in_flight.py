"""A piece of a block on its way: what a response of the server is about."""

from __future__ import annotations

from dataclasses import dataclass

from etl.plan import Batch, Block, Checkpoint, Wire


@dataclass(frozen=True, slots=True)
class InFlight:
    """``batch`` is a part of ``block``.

    ``single``: its commands carry one record each. ``checkpoint`` and ``inner`` are those of a fenced piece:
    where the checkpoint is once it was applied, and the wire inside the fence.
    """

    block: Block
    batch: Batch
    single: bool = False
    checkpoint: Checkpoint | None = None
    inner: Wire | None = None
