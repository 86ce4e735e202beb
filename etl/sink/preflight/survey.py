"""Asking a server, before a load and after it, what ``checks`` judges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etl.encode.examples import CommandArgs
from etl.encode.resp.protocol import plain
from etl.errors import HungUpError, StoppedError, TargetError
from etl.plan import Response, Session, StopFlag, Target, Wire
from etl.sink.control import ask, ask_through, questioned
from etl.sink.preflight.facts import (
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


def read_server_facts(target: Target, commands: Sequence[CommandArgs], stop: StopFlag) -> Findings:
    """Connect, and ask for whatever may speak against a load of these commands.

    Two round trips on one connection. What is not answered is unknown, also where the server hangs up on a
    question, again and again. Raises TargetError only where no connection can be made, StoppedError.
    """
    names = sorted({command[0] for command in commands})
    questions = {
        "info": plain(_INFO),
        "commands": plain((b"COMMAND", b"INFO", CONTROL, *names)),
        "user": plain(_WHOAMI),
    }
    replies: dict[str, Any] = {}

    def put_all(session: Session) -> tuple[Denial, ...]:
        _ask_each(session, questions, replies)
        user = replies["user"]
        return _denials(session, user, commands) if isinstance(user, bytes) else ()

    denials: tuple[Denial, ...] = ()
    with contextlib.suppress(HungUpError):
        denials = questioned(target, put_all, stop)
    return Findings(read_info(replies.get("info")), read_missing(names, replies.get("commands")), denials)


def info_now(target: Target, stop: StopFlag) -> Info:
    """Ask for INFO once more. A server that cannot be asked any more tells nothing: that is no error."""
    try:
        (reply,) = ask_through(target, plain(_INFO), stop)
    except (TargetError, StoppedError):
        return UNKNOWN
    return read_info(reply)


def _ask_each(session: Session, questions: Mapping[str, Wire], replies: dict[str, Any]) -> None:
    """Ask single commands in one round trip; put what is answered into ``replies``, by name."""

    def take(answers: Iterable[Response]) -> None:
        for answer in answers:
            (replies[answer.token],) = answer.replies or (None,)

    for name, wire in questions.items():
        take(session.submit(wire, name))
    take(session.drain())


def _denials(session: Session, user: bytes, commands: Sequence[CommandArgs]) -> tuple[Denial, ...]:
    if not commands:
        return ()
    replies = ask(session, plain(*((b"ACL", b"DRYRUN", user, *command) for command in commands)))
    return read_denials(user.decode("utf-8", "replace"), commands, replies)
