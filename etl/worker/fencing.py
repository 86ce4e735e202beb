"""A worker's pieces inside the fence (``etl/encode/fence.py``), each with the checkpoint that it brings.

Fenced pieces go out one after the other: the position that a piece expects the checkpoint to have is the one
that the piece before it has left there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa

from etl.encode.fence import Move, fence
from etl.errors import TargetError
from etl.plan import CheckpointWriter, Plan, Response, Wire, about_line
from etl.plan.error_reply import ErrorReply
from etl.plan.marks import read_errors
from etl.sink.error_replies import error_reply
from etl.worker.encoding import PieceEncoder
from etl.worker.in_flight import InFlight
from etl.worker.ledger import Ledger
from etl.worker.selection import record_number


class Unfenced(NamedTuple):
    """The response that commands inside the fence would have got. ``applied``: the checkpoint has moved."""

    wire: Wire
    replies: Sequence[Any] | None
    applied: bool


class Fencing:
    """The fence of one worker. ``skips``: a record is skipped whose key exists.

    ``keys_of`` returns the keys of a piece where the server has to be told them (a cluster).
    """

    def __init__(
        self,
        writer: CheckpointWriter,
        ledger: Ledger,
        *,
        skips: bool,
        keys_of: Callable[[InFlight], pa.Array] | None = None,
    ) -> None:
        self._keys_of = keys_of
        self._writer = writer
        self._ledger = ledger
        self._position = ledger.checkpoint.position
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
        move = Move(
            key=self._writer.key,
            field=checkpoint.field,
            before=self._position,
            after=checkpoint.position,
            about=b"%b\n%b" % (checkpoint.counts_line, about),
            run=self._writer.run,
            keys=() if self._keys_of is None else tuple(self._keys_of(piece).unique().to_pylist()),
        )
        return replace(piece, checkpoint=checkpoint, inner=wire), fence(wire, move)

    def read(self, piece: InFlight, response: Response) -> Unfenced:
        """Read the response to a fenced piece, and note where the checkpoint is now. Raises TargetError."""
        assert piece.inner is not None
        assert piece.checkpoint is not None
        inner = unfenced(piece.inner, response.replies)
        if inner.applied:
            self._position = piece.checkpoint.position
        return inner


def unfenced(wire: Wire, replies: Sequence[Any] | None) -> Unfenced:
    """Read what the script answered about the commands of ``wire``, which is inside the fence.

    Of good replies only nil is told from others; the others are OK. Raises TargetError for what no script of
    ours can have answered.
    """
    if replies is None:
        return Unfenced(wire, None, applied=True)
    (reply,) = replies
    if isinstance(reply, ErrorReply):
        return Unfenced(wire, [reply] * wire.commands, applied=False)
    if not isinstance(reply, bytes) or reply[:1] not in (b"+", b"-"):
        said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        raise TargetError(
            f"the server does not run scripts as Redis does: it answered EVAL with {said!r:.80}"
        )
    inner: list[Any] = [b"OK"] * wire.commands
    for number, text in read_errors(reply[1:]):
        inner[number] = error_reply(text) if text else None
    return Unfenced(wire, inner, applied=reply[:1] == b"+")


def fencing_of(plan: Plan, ledger: Ledger, encoding: PieceEncoder) -> Fencing | None:
    """Return the fence of a plan whose commands must not be applied twice; None for any other."""
    if not plan.fenced:
        return None
    assert plan.marks is not None
    keys_of = encoding.keys if "cluster" in plan.target.takes else None
    return Fencing(plan.marks, ledger, skips=plan.skips, keys_of=keys_of)
