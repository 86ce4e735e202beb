"""The blocks of a stream, as the parent makes them."""

from __future__ import annotations

from collections.abc import Iterator

from etl.plan import Block, Plan


def stream_blocks(plan: Plan) -> Iterator[Block]:
    """Cut a streamed source into blocks, and leave out what is done."""
    for block in plan.source.blocks(plan.block_bytes):
        left = block if plan.done is None else plan.done.left(block)
        if left is not None:
            yield left
