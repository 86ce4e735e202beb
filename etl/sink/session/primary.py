"""Finding the primary that Sentinels watch, anew for each connection.

The rules are those of https://redis.io/docs/latest/develop/reference/sentinel-clients/: the Sentinels are
asked in their order, with a short time for each; the server that one names must say itself that it is a
primary. One that is not reached, or is a replica by now, may be named by a Sentinel that is cut off from the
others: so the next Sentinel is asked, and in the end all of them again, after a pause (``Backoff``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.encode.resp.protocol import plain
from etl.errors import BrokenHandshakeError, LostError, TargetError, TransientError, UnreachedError
from etl.plan.error_reply import ErrorReply
from etl.sink.address import Address
from etl.sink.control import ask
from etl.sink.error_replies import ERROR_POLICIES, explain
from etl.sink.sentinel_address import PASSWORD_VARIABLE, WatchedAddress
from etl.sink.session.connect import open_connection
from etl.sink.session.pipelined import PipelinedSession
from etl.suggest import did_you_mean
from etl.units import listed

SENTINEL_TIMEOUT_S = 3.0
"""For how long a Sentinel may be silent before the next one is asked."""

_MEANINGS = {
    "NOAUTH": f"the Sentinel wants a password of its own: set ${PASSWORD_VARIABLE}",
    "WRONGPASS": f"the Sentinel's user name or password is wrong (${PASSWORD_VARIABLE}, or sentinel_user and"
    " sentinel_password in the URL)",
    "NOPERM": "the Sentinel's user may not run SENTINEL; give it the permission (ACL SETUSER USER +sentinel)",
}
"""What a Sentinel's error replies mean, where that is not what a server's do."""

_REPLICA = (b"slave", b"replica", b"sentinel")
"""What ROLE answers with first, where it is not ``master``."""


def connect_primary(
    watched: WatchedAddress,
    open_session: Callable[[Address], PipelinedSession],
    *,
    timeout_s: float = SENTINEL_TIMEOUT_S,
    known: bool = False,
) -> PipelinedSession:
    """Ask the Sentinels; return what ``open_session`` opens at the primary that one of them names.

    ``known``: the primary has been reached before, so its name is no misspelled one. Raises TargetError: of
    that UnreachedError where no Sentinel takes a connection, LostError where another try may go well.
    """
    found = _Findings(watched, known)
    for sentinel in watched.sentinels:
        try:
            endpoint = _primary_of(sentinel, watched.name, found, min(timeout_s, SENTINEL_TIMEOUT_S))
        except TargetError as error:
            found.unasked.append(error)
            continue
        if endpoint is None or endpoint in found.failed:
            continue
        try:
            return _as_primary(open_session(watched.primary_at(endpoint)))
        except TransientError as error:
            found.failed[endpoint] = error
    raise found.error()


@dataclass(slots=True)
class _Findings:
    """Why no primary was reached: Sentinels that were not asked, primaries (``failed``) that did not take us.

    ``others`` are the names that those Sentinels watch which do not know the right one; None: none of them.
    """

    watched: WatchedAddress
    known: bool
    unasked: list[TargetError] = field(default_factory=list)
    failed: dict[str, TransientError] = field(default_factory=dict)
    others: set[str] | None = None

    def error(self) -> TargetError:
        """Return the error that says most."""
        for error in self.failed.values():
            # There it is, as a Sentinel says: it may be on its way down, and another one on its way up.
            gone = isinstance(error, (UnreachedError, BrokenHandshakeError))
            return LostError(str(error)) if gone else error
        return self._no_sentinel() if self.others is None else self._no_name(self.others)

    def _no_name(self, others: set[str]) -> TargetError:
        name = self.watched.name
        sentence = f"{self.watched}: its Sentinels watch no primary of the name {name}"
        if others:
            sentence += f", but {listed(sorted(others))}"
        meant = did_you_mean(name, sorted(others))
        # A Sentinel that has lost its configuration is told of the primary again.
        kind = LostError if self.known else TargetError
        return kind(sentence + (f"; {meant}" if meant else ""))

    def _no_sentinel(self) -> TargetError:
        message = f"{self.watched}: no Sentinel answers: {'; '.join(map(str, self.unasked))}"
        for_now = [error for error in self.unasked if isinstance(error, TransientError)]
        if not for_now:
            return TargetError(message)
        for kind in (UnreachedError, BrokenHandshakeError):
            if all(isinstance(error, (UnreachedError, kind)) for error in for_now):
                return kind(message)
        return LostError(message)


def _primary_of(sentinel: Address, name: str, found: _Findings, timeout_s: float) -> str | None:
    """Return the ``host:port`` that a Sentinel names, None where it does not know the name.

    Raises TargetError where it does not answer, or refuses to.
    """
    connection, _ = open_connection(
        sentinel, "redis-etl", timeout_s=timeout_s, connect_timeout_s=timeout_s, explained=_explained
    )
    session = PipelinedSession(connection, str(sentinel), read_timeout_s=timeout_s)
    with contextlib.closing(session):
        (place,) = ask(session, plain((b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name.encode())))
        if isinstance(place, ErrorReply):
            raise TargetError(f"{sentinel}: {_explained(place)}")
        if place is None:
            found.others = (found.others or set()) | _names(ask(session, plain((b"SENTINEL", b"MASTERS"))))
            return None
    if not (isinstance(place, list) and len(place) == 2 and all(isinstance(part, bytes) for part in place)):
        raise TargetError(f"{sentinel} does not answer as a Sentinel does")
    host, port = (part.decode("utf-8", "replace") for part in place)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _names(replies: Sequence[Any]) -> set[str]:
    """Read a reply to SENTINEL MASTERS: of each primary, a flat list of what is known of it."""
    (primaries,) = replies
    if not isinstance(primaries, list):
        return set()
    facts = (dict(zip(primary[::2], primary[1::2], strict=False)) for primary in primaries)
    return {one[b"name"].decode("utf-8", "replace") for one in facts if b"name" in one}


def _as_primary(session: PipelinedSession) -> PipelinedSession:
    """Return the session. Raises LostError where its server says that it is a replica; it may say nothing."""
    try:
        (role,) = ask(session, plain((b"ROLE",)))
        if isinstance(role, list) and role and role[0] in _REPLICA:
            raise LostError(f"{session.name} is a replica by now, as it says itself")
    except BaseException:
        session.close()
        raise
    return session


def _explained(reply: ErrorReply) -> str:
    """Return what an error reply of a Sentinel means, and what to do."""
    if "without any password" in str(reply):
        return f"the Sentinel has no password: give neither sentinel_password nor ${PASSWORD_VARIABLE}"
    if "unknown command" in str(reply):
        return "this is no Sentinel; for a server on its own give --to redis://HOST:PORT/DB"
    for word, meaning in _MEANINGS.items():
        if reply.policy is ERROR_POLICIES[word]:
            return meaning
    return explain(reply)
