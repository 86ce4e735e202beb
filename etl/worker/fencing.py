"""A worker's pieces inside the fence (``etl/encode/fence.py``), each with the checkpoint that it brings.

Fenced pieces go out one after the other: the position that a piece expects the checkpoint to have is the one
that the piece before it has left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from etl.encode.fence import fence, read_fence
from etl.plan import CheckpointWriter, Plan, Response, Wire, about_line
from etl.worker.in_flight import InFlight
from etl.worker.ledger import Ledger
from etl.worker.selection import record_number


class Unfenced(NamedTuple):
    """A response as the commands inside the fence would have got it. ``moved``: so has the checkpoint."""

    wire: Wire
    replies: Sequence[Any] | None
    moved: bool


class Fencing:
    """The fence of one worker. ``skips``: a record is skipped whose key exists."""

    def __init__(self, writer: CheckpointWriter, ledger: Ledger, *, skips: bool) -> None:
        self._writer = writer
        self._ledger = ledger
        self._position = ledger.checkpoint.place
        self._skips = skips

    def fenced(self, piece: InFlight, wire: Wire) -> tuple[InFlight, Wire]:
        """Return the piece with its checkpoint, and its wire inside the fence."""
        last = record_number(piece.batch, len(piece.batch) - 1)
        assert last is not None
        checkpoint = replace(
            self._ledger.checkpoint,
            partial=piece.block.number,
            below=last + 1,
            counts=self._ledger.so_far(),
        )
        about = about_line(wire, piece.batch.numbers, skips=self._skips)
        outer = fence(
            wire,
            key=self._writer.key,
            field=checkpoint.field,
            place=self._position,
            new=checkpoint.place,
            run=self._writer.run,
            about=b"%b\n%b" % (checkpoint.counts_line, about),
        )
        return replace(piece, checkpoint=checkpoint, inner=wire), outer

    def read(self, piece: InFlight, response: Response) -> Unfenced:
        """Read the response to a fenced piece, and note where the checkpoint is now. Raises TargetError."""
        assert piece.inner is not None
        assert piece.checkpoint is not None
        answer = read_fence(piece.inner, response.replies)
        if answer.moved:
            self._position = piece.checkpoint.place
        return Unfenced(piece.inner, answer.replies, answer.moved)


def fencing_of(plan: Plan, ledger: Ledger) -> Fencing | None:
    """Return the fence of a plan whose commands must not be applied twice; None for any other."""
    if not plan.fenced:
        return None
    assert plan.marks is not None
    return Fencing(plan.marks, ledger, skips=plan.skips)
