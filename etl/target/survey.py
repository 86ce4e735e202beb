"""Asking a server, before a load and behind it, what ``preflight`` judges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etl.encode.example import Words
from etl.encode.resp import plain
from etl.encode.wire import Wire
from etl.errors import TargetError
from etl.plan import Answer, Session, Target
from etl.target.console import ask
from etl.target.preflight import (
    CONTROL,
    UNKNOWN,
    Denial,
    Findings,
    Info,
    read_denials,
    read_info,
    read_missing,
)

_INFO = (b"INFO",)  # with several sections, as a server before 7.0 does not know it
_WHOAMI = (b"ACL", b"WHOAMI")


def survey(target: Target, commands: Sequence[Words]) -> Findings:
    """Connect, and ask for whatever may speak against a load of these commands.

    Two round trips on one connection. Raises TargetError only where nobody can connect: what is not answered
    is unknown, also where the server hangs up on a question.
    """
    with contextlib.closing(target.connect("redis-etl")) as session:
        names = sorted({command[0] for command in commands})
        replies = _ask_each(
            session,
            {
                "info": plain(_INFO),
                "commands": plain((b"COMMAND", b"INFO", CONTROL, *names)),
                "user": plain(_WHOAMI),
            },
        )
        user = replies.get("user")
        denials = _denials(session, user, commands) if isinstance(user, bytes) else ()
        return Findings(read_info(replies.get("info")), read_missing(names, replies.get("commands")), denials)


def info_now(target: Target) -> Info:
    """Ask for INFO once more. It raises nothing: a server that cannot be asked any more tells nothing."""
    try:
        with contextlib.closing(target.connect("redis-etl")) as session:
            return read_info(_ask_each(session, {"info": plain(_INFO)}).get("info"))
    except TargetError:
        return UNKNOWN


def _ask_each(session: Session, questions: Mapping[str, Wire]) -> dict[str, Any]:
    """Ask single commands in one round trip; give the replies up to where the server hung up, by name."""
    replies: dict[str, Any] = {}

    def take(answers: Iterable[Answer]) -> None:
        for answer in answers:
            (replies[answer.token],) = answer.replies or (None,)

    with contextlib.suppress(TargetError):
        for name, wire in questions.items():
            take(session.submit(wire, name))
        take(session.drain())
    return replies


def _denials(session: Session, user: bytes, commands: Sequence[Words]) -> tuple[Denial, ...]:
    if not commands:
        return ()
    try:
        replies = ask(session, plain(*((b"ACL", b"DRYRUN", user, *command) for command in commands)))
    except TargetError:
        return ()
    return read_denials(user.decode("utf-8", "replace"), commands, replies)
