"""Which records of a piece are sent again: those that were refused together, and those refused for now.

They go one by one, each in a command of its own, so that no record is rejected for another one's fault.
Nothing is sent here: ``Resends`` keeps the pieces until the shard takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.errors import RefusedForNowError
from etl.plan import BatchResult, Refusal, Target
from etl.plan.error_reply import Action, ErrorReply
from etl.sink.error_replies import failure
from etl.worker.in_flight import InFlight


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused of a piece: records that are ``rejected``, and indices of those to be sent again.

    ``together`` were refused by one reply, though not each of them may be to blame; ``later`` are refused for
    now, by ``reply``. ``fatal`` is a reply that every record would get.
    """

    rejected: Sequence[Refusal] = ()
    together: Sequence[int] = ()
    later: Sequence[int] = ()
    reply: ErrorReply | None = None
    fatal: ErrorReply | None = None


def sort_refusals(
    result: BatchResult, replies: Sequence[Any] | None, *, fenced: bool, applied: bool = False
) -> Refused:
    """Sort the refusals of a piece by what is done about them.

    ``applied``: the checkpoint of a fenced piece has moved on, which lets none of its records through again.
    """
    refusals = list(result.refusals)
    if fenced and result.again:
        # A merged command has one key, the same for all: none of its records would fare better alone.
        error = next(reply for reply in replies or () if isinstance(reply, ErrorReply))
        refusals += [Refusal(index, error) for index in result.again]
    rejected: list[Refusal] = []
    later: list[int] = []
    for_now: ErrorReply | None = None
    for refusal in refusals:
        reply = refusal.reason
        action = reply.policy.action if isinstance(reply, ErrorReply) else Action.REJECT
        if isinstance(reply, ErrorReply) and action is Action.STOP:
            return Refused(fatal=reply)
        if isinstance(reply, ErrorReply) and action is Action.AGAIN and not applied:
            later.append(refusal.index)
            for_now = for_now or reply
        else:
            rejected.append(refusal)
    return Refused(rejected, () if fenced else result.again, later, for_now)


class Resends:
    """What waits to be sent again; ``refused`` is why, where the server refuses some of them for now."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pieces: list[InFlight] = []
        self.refused: RefusedForNowError | None = None

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: InFlight, refused: Refused) -> int:
        """Add what is to be sent again of a piece; return how many pieces that makes."""
        before = len(self._pieces)
        for indices in (refused.later, refused.together):
            if indices:
                batch = piece.batch.take(pa.array(indices, pa.int64()))
                self._pieces.append(InFlight(piece.block, batch, single=True))
        if refused.reply is not None and self.refused is None:
            error = failure(refused.reply, self._target)
            assert isinstance(error, RefusedForNowError)
            self.refused = error
        return len(self._pieces) - before

    def take(self) -> list[InFlight]:
        """Take all pieces, in the order in which they were added."""
        pieces, self._pieces, self.refused = self._pieces, [], None
        return pieces
