"""A server is made a primary again, with the settings that it had: see NOTE(put back)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.encode.resp.protocol import commands_in, plain
from etl.plan import Session, StopFlag, Target
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.control import ask
from etl.sink.error_replies import failure
from etl.sink.replication.facts import read_state

Command = tuple[bytes, ...]

_NO_ONE = (b"REPLICAOF", b"NO", b"ONE")
_INFO = (b"INFO", b"replication")


@dataclass(frozen=True, slots=True)
class Before:
    """What is put back: ``host`` and ``port`` are ours, ``settings`` those that were changed, as they were.

    No secret is among them. ``key`` is where the job notes it in the old data set.
    """

    host: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    key: bytes = b""

    def dump(self) -> bytes:
        """Return it as bytes: RESP, as commands are written."""
        words: list[Command] = [(b"primary", self.host.encode(), b"%d" % self.port, self.key)]
        words += [(b"set", _bytes(name), _bytes(value)) for name, value in self.settings.items()]
        return b"".join(plain(*words).buffers)

    @classmethod
    def load(cls, data: bytes) -> Before:
        """Return what ``dump`` has written. Raises ValueError."""
        try:
            (_, host, port, key), *settings = commands_in(data)
            changed = {_text(name): _text(value) for _, name, value in settings}
            return cls(host.decode(), int(port), changed, key)
        except (ValueError, IndexError) as error:
            raise ValueError(f"this is no note of a replication: {error}") from None

    @property
    def commands(self) -> list[Command]:
        """Return the commands that put the settings back, one each: what one refuses hinders no other."""
        return [(b"CONFIG", b"SET", _bytes(name), _bytes(value)) for name, value in self.settings.items()]


def put_back(target: Target, before: Before, stop: StopFlag, *, then: Sequence[Command] = ()) -> list[Any]:
    """Make the server a primary again if it still follows us, and put its settings back.

    ``then`` are commands that follow at once on the same connection, before any client's; returns their
    replies. It is tried again while connections break and while the server loads, for as long as the target
    is waited for. Raises TargetError, StoppedError.
    """

    def attempt() -> list[Any]:
        with contextlib.closing(target.connect("redis-etl")) as session:
            return _put_back(session, target, before, then)

    return target.backoff(stop).retry(attempt)


def _put_back(session: Session, target: Target, before: Before, then: Sequence[Command]) -> list[Any]:
    (info,) = ask(session, plain(_INFO))
    _require_no_error([info], target)
    state = read_state(info)
    followed = (_NO_ONE,) if state is None or state.primary == (before.host, before.port) else ()
    replies = list(ask(session, plain(*followed, *then))) if followed or then else []
    _require_no_error(replies[: len(followed)], target)
    # What is noted is for a server that follows us: it goes last.
    last = [*before.commands, *([(b"DEL", before.key)] if before.key else [])]
    if last:
        _require_no_error(ask(session, plain(*last)), target, but=(Cause.PERMISSION, Cause.OTHER))
    return replies[len(followed) :]


def _require_no_error(replies: Iterable[Any], target: object, but: Sequence[Cause] = ()) -> None:
    for reply in replies:
        if isinstance(reply, ErrorReply) and reply.policy.cause not in but:
            raise failure(reply, target)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
