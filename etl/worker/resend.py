"""Which records of a piece are sent again: those that were refused together, and those refused for now.

They go one by one, each in a command of its own, so that no record is rejected for another one's fault.
Nothing is sent here: ``Resends`` keeps the pieces until the shard takes them.

NOTE(order): of records with the same key the last one is to be there at the end. When one is refused for now,
later ones may be on their way and be written; sent again after them it would win. So the later ones are sent
once more too, behind it, and not counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from etl.errors import RefusedForNowError
from etl.plan import BatchResult, Refusal, Target
from etl.plan.error_reply import Action, Cause, ErrorReply
from etl.sink.error_replies import failure
from etl.worker.in_flight import InFlight

ELSEWHERE = frozenset((Cause.MOVED, Cause.ASK))
REDIRECTED = frozenset((Cause.MOVED, Cause.ASK, Cause.SPLIT))
"""Causes for which a record is sent again at once, and in the form that another answer is likely for."""

MAX_AT_ONCE = 3
"""How often that is done with a record before the cluster is left some time to make up its mind."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused of a piece: records that are ``rejected``, and those to be sent again.

    ``together`` are the indices of those that were refused by one reply, though not each of them may be to
    blame; ``later`` are refused for now. ``fatal`` is a reply that every record would get.
    """

    rejected: Sequence[Refusal] = ()
    together: Sequence[int] = ()
    later: Sequence[Refusal] = ()
    fatal: ErrorReply | None = None


def sort_refusals(
    result: BatchResult,
    replies: Sequence[Any] | None,
    *,
    fenced: bool,
    applied: bool = False,
    clustered: bool = True,
) -> Refused:
    """Sort the refusals of a piece by what is done about them.

    ``applied``: the checkpoint of a fenced piece has moved on, which lets none of its records through again.
    Not ``clustered``: the target is one server, and another one has the keys that were MOVED.
    """
    refusals = list(result.refusals)
    if fenced and result.again:
        # A merged command has one key, the same for all: none of its records would fare better alone.
        error = next(reply for reply in replies or () if isinstance(reply, ErrorReply))
        refusals += [Refusal(index, error) for index in result.again]
    rejected: list[Refusal] = []
    later: list[Refusal] = []
    for refusal in refusals:
        reply = refusal.reason
        action = reply.policy.action if isinstance(reply, ErrorReply) else Action.REJECT
        if isinstance(reply, ErrorReply) and (
            action is Action.STOP or (reply.policy.cause in ELSEWHERE and not clustered)
        ):
            return Refused(fatal=reply)
        if action is Action.AGAIN and not applied:
            later.append(refusal)
        else:
            rejected.append(refusal)
    return Refused(rejected, () if fenced else result.again, later)


Redirect = Callable[[ErrorReply], str | None]
"""Notes where a reply says that a key is; returns the node that is to be asked out of turn, for an ASK."""


class Resends:
    """What waits to be sent again; ``refused`` is why, where the server refuses some of them for now.

    ``keys_of`` returns the keys of a piece's records where the last one of a key is to win: NOTE(order).
    ``routed``: what one node refuses another one may take.
    """

    def __init__(
        self, target: Target, keys_of: Callable[[InFlight], pa.Array] | None = None, *, routed: bool = False
    ) -> None:
        self._target = target
        self._keys_of = keys_of
        self._routed = routed
        self._pieces: list[InFlight] = []
        self._refused_keys: dict[bytes, tuple[int, int]] = {}
        self.refused: RefusedForNowError | None = None

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(
        self, piece: InFlight, refused: Refused, redirect: Redirect = lambda reply: None
    ) -> list[InFlight]:
        """Add what is to be sent again of a piece; return the pieces that this makes.

        Raises what ``redirect`` raises.
        """
        before = len(self._pieces)
        if refused.later or refused.together or self._refused_keys:
            self._note_keys(piece, refused)
        by_node: dict[str | None, list[int]] = {}
        for refusal in refused.later:
            assert isinstance(refusal.reason, ErrorReply)
            there = redirect(refusal.reason) if refusal.reason.policy.cause in REDIRECTED else None
            by_node.setdefault(there, []).append(refusal.index)
            self._note_refusal(piece, refusal.reason)
        for there, indices in by_node.items():
            self._append(piece, indices, tries=piece.tries + 1, node=there or "", asking=there is not None)
        if refused.together:
            self._append(piece, refused.together)
        return self._pieces[before:]

    def take(self) -> list[InFlight]:
        """Take all pieces, in the order of their records."""
        pieces, self._pieces, self.refused = self._pieces, [], None
        self._refused_keys.clear()
        return sorted(pieces, key=lambda piece: piece.number)

    def _note_refusal(self, piece: InFlight, reply: ErrorReply) -> None:
        at_once = self._routed and reply.policy.cause in REDIRECTED and piece.tries < MAX_AT_ONCE
        if self.refused is None and not at_once:
            error = failure(reply, self._target)
            assert isinstance(error, RefusedForNowError)
            self.refused = error

    def _append(self, piece: InFlight, indices: Sequence[int], **changes: Any) -> None:
        some = piece.take(pa.array(indices, pa.int64()))
        changes = {"node": "", "asking": False, **changes}
        self._pieces.append(replace(some, single=True, checkpoint=None, inner=None, **changes))

    def _note_keys(self, piece: InFlight, refused: Refused) -> None:
        """Note the keys that were refused, and add the records that have overtaken one: NOTE(order)."""
        if self._keys_of is None:
            return
        keys = self._keys_of(piece).to_pylist()
        again = {*refused.together, *(refusal.index for refusal in refused.later)}
        for index in sorted(again):
            place = (piece.number, index)
            self._refused_keys[keys[index]] = min(place, self._refused_keys.get(keys[index], place))
        without = again.union(refusal.index for refusal in refused.rejected)
        never = (piece.number + 1, 0)
        overtaking = [
            index
            for index, key in enumerate(keys)
            if self._refused_keys.get(key, never) < (piece.number, index) and index not in without
        ]
        if overtaking:
            self._append(piece, overtaking, counted=False, joint=None)
