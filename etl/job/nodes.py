"""Checkpoints of a job at the nodes of a cluster (``etl/plan/node_checkpoints.py``): made, read, taken away.

Each primary has them in one key, a field for each worker of each attempt; the job's state lists these keys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from etl.encode.resp.protocol import asking, plain
from etl.encode.resp.slots import slot_of, spread, tag_of
from etl.errors import RefusedForNowError, TargetError
from etl.plan import (
    NodeCheckpoint,
    RoutedSession,
    StopFlag,
    Target,
    Wire,
    node_key,
    parse_node_checkpoint,
    slot_set,
)
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.error_replies import failure

UNLISTED_KEEP_MS = 3_600_000
"""How long a key stays that could not be taken away before the job's state forgets it."""

_MAX_SLOTS_TRIED = 64


class JobNodes:
    """Checkpoints of jobs at the nodes of the cluster ``target``. Methods raise TargetError, StoppedError."""

    def __init__(self, target: Target, stop: StopFlag) -> None:
        self._stop = stop
        self._target = target
        self._open: RoutedSession | None = None

    def set_target(self, target: Target) -> None:
        """Use ``target`` from now on: the same cluster, with the primaries that it has now."""
        self.close()
        self._target = target

    def close(self) -> None:
        """Close the connections. May be called twice."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def begin(
        self,
        job: bytes,
        checkpoints: Sequence[NodeCheckpoint],
        listed: Iterable[bytes],
        list_key: Callable[[bytes], None],
    ) -> tuple[bytes, ...]:
        """Write the first checkpoints of an attempt at every node; return the keys that they are in.

        The keys are named after ``job``. Of ``checkpoints``, one for each worker, each node has its own. Keys
        that are ``listed`` are used again where they lie at the right node; others are listed by ``list_key``
        before they are made.
        """
        known = sorted(listed)

        def attempt() -> tuple[bytes, ...]:
            session = self._session()
            keys = []
            for node, ranges in session.slots().items():
                own, identity = slot_set(ranges), session.identity(node)
                words: list[bytes] = []
                for checkpoint in checkpoints:
                    complete = replace(
                        checkpoint, slots=own, node=identity.name, stream=next(iter(identity.streams), b"")
                    )
                    words += (complete.field, complete.value)
                usual = (key for key in known if own >> slot_of(key) & 1)
                made = (node_key(job, tag_of(slot)) for slot in spread(ranges, _MAX_SLOTS_TRIED))
                try:
                    keys.append(self._write_one_of([*usual, *made], words, known, list_key))
                except _MovingError:
                    session.renew()
                    raise RefusedForNowError(
                        f"{self._target}: too many slots of {node} are on their way to other nodes"
                    ) from None
            return tuple(keys)

        return self._target.backoff(self._stop).retry(attempt)

    def _write_one_of(
        self,
        keys: Sequence[bytes],
        words: Sequence[bytes],
        listed: Collection[bytes],
        list_key: Callable[[bytes], None],
    ) -> bytes:
        """Write to the first of ``keys`` whose slot is not on the move; return it. Raises _MovingError."""
        for key in keys:
            if key not in listed:
                list_key(key)
            with suppress(_MovingError):
                self._execute(key, b"HSET", key, *words)
                return key
        raise _MovingError

    def read(self, keys: Iterable[bytes], attempt: int, token: str) -> list[NodeCheckpoint]:
        """Return the checkpoints of an attempt that are to be believed, for the slots that they are about.

        See NOTE(belief) in ``etl/plan/node_checkpoints.py``.
        """
        believed = []
        for key in keys:
            try:
                found = self._execute(key, b"HGETALL", key)
            except _MovingError:
                continue
            session = self._session()
            node = session.owner(slot_of(key))
            identity, own = session.identity(node), slot_set(session.slots()[node])
            for field, value in zip(found[::2], found[1::2], strict=True):
                with suppress(ValueError):
                    checkpoint = parse_node_checkpoint(field, value)
                    of_attempt = (checkpoint.attempt, checkpoint.token) == (attempt, token)
                    same_node = checkpoint.node == identity.name or checkpoint.stream in identity.streams
                    if of_attempt and same_node:
                        believed.append(replace(checkpoint, slots=checkpoint.slots & own))
        return believed

    def expire(self, keys: Iterable[bytes]) -> None:
        """Let keys expire soon: the job's state, which lists them, is about to forget them."""
        for key in keys:
            self._execute(key, b"PEXPIRE", key, b"%d" % UNLISTED_KEEP_MS, follow=True)

    def delete(self, keys: Iterable[bytes]) -> None:
        """Take keys away."""
        for key in keys:
            self._execute(key, b"DEL", key, follow=True)

    def _session(self) -> RoutedSession:
        if self._open is None:
            self._open = self._target.connect_routed("redis-etl", self._stop)
            assert self._open is not None
        return self._open

    def _execute(self, key: bytes, *words: bytes, follow: bool = False) -> Any:
        """Return the reply of the node that has ``key``.

        Raises _MovingError where it has left this one, as its slot moves, unless told to ``follow`` it.
        """

        def attempt() -> Any:
            session = self._session()
            node = session.owner(slot_of(key))
            reply = _reply(session, plain(words), node)
            if isinstance(reply, ErrorReply) and reply.policy.cause in (Cause.ASK, Cause.SPLIT):
                there = session.redirected(reply, node) if follow else None
                if there is None:
                    raise _MovingError
                node, reply = there, _reply(session, asking(plain(words)), there)
            if not isinstance(reply, ErrorReply):
                return reply
            session.redirected(reply, node)
            error = failure(reply, self._target)
            if isinstance(error, RefusedForNowError) and error.reconnect:
                session.renew()
            raise error

        try:
            return self._target.backoff(self._stop).retry(attempt)
        except TargetError:
            self.close()
            raise


def _reply(session: RoutedSession, wire: Wire, node: str) -> Any:
    """Return the reply to the last command of a wire."""
    (response,) = [*session.submit(wire, None, node), *session.drain()]
    return (response.replies or (None,))[-1]


class _MovingError(Exception):
    """The slot of a key is on the move: what is written there may or may not be at this node."""
