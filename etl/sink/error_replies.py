"""What an error reply means and what is done about it: one table, by the reply's first word."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from etl.errors import TargetError


class Action(Enum):
    """What is done about an error reply. None of these commands was applied."""

    AGAIN = "send it again, until the deadline"
    STOP = "end the run: every record would get it"
    REJECT = "refuse the record"


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """``meaning`` says what to do about it. ``patience_s`` bounds an AGAIN that the deadline would not.

    ``reconnect``: the name may lead to another server by now.
    """

    action: Action
    meaning: str = ""
    patience_s: float | None = None
    reconnect: bool = False


ERROR_POLICIES: dict[str, ErrorPolicy] = {
    "OOM": ErrorPolicy(
        Action.AGAIN, "the server is full (maxmemory); give it more memory or load less", 30.0
    ),
    "READONLY": ErrorPolicy(
        Action.AGAIN, "the server is a read-only replica; load into its primary", reconnect=True
    ),
    "MASTERDOWN": ErrorPolicy(Action.AGAIN, "the server is a replica that lost its primary", reconnect=True),
    "LOADING": ErrorPolicy(
        Action.AGAIN, "the server is still loading its data set; try again when it is ready"
    ),
    "MISCONF": ErrorPolicy(
        Action.AGAIN, "the server cannot save its data to disk and refuses writes; see its log"
    ),
    "NOREPLICAS": ErrorPolicy(
        Action.AGAIN, "the server has too few replicas to accept writes (min-replicas-to-write)"
    ),
    "BUSY": ErrorPolicy(Action.AGAIN, "the server is busy with a script"),
    "TRYAGAIN": ErrorPolicy(Action.AGAIN, "the server is moving the keys just now"),
    "NOAUTH": ErrorPolicy(
        Action.STOP,
        "the server wants a password: put it into a file and name that with --password-file FILE,"
        " or set $REDISCLI_AUTH",
    ),
    "WRONGPASS": ErrorPolicy(
        Action.STOP,
        "the user name or password is wrong (--user, --password-file or $REDISCLI_AUTH, or the URL)",
    ),
    "NOPERM": ErrorPolicy(
        Action.STOP,
        "this user may not run the command or touch the key; give it the permission (ACL SETUSER)",
    ),
    "DENIED": ErrorPolicy(
        Action.STOP, "the server runs in protected mode and takes no connections from here"
    ),
    "MOVED": ErrorPolicy(
        Action.STOP, "the server is part of a Redis Cluster, which cannot be loaded into yet"
    ),
    "ASK": ErrorPolicy(Action.STOP, "the server is part of a Redis Cluster, which cannot be loaded into yet"),
    "CROSSSLOT": ErrorPolicy(
        Action.STOP, "the server is part of a Redis Cluster, which cannot be loaded into yet"
    ),
    "CLUSTERDOWN": ErrorPolicy(Action.STOP, "the server is part of a Redis Cluster that is down"),
    "FENCE": ErrorPolicy(Action.STOP, "another run has written to this job meanwhile; start the load again"),
}

EVERY_RECORD = (
    "unknown command",
    "unknown subcommand",
    "Unknown Redis command",
    "wrong number of arguments",
    "Wrong number of args",
    "syntax error",
    "Protocol error",
    "DUMP payload version or checksum are wrong",
    "Bad data format",
)
"""What an ERR reply says when every record would get it."""

_STOP = ErrorPolicy(Action.STOP)
_REJECT = ErrorPolicy(Action.REJECT)


def policy_of(reply: BaseException) -> ErrorPolicy:
    """Return the row of an error reply.

    What is in no row is the record's own: WRONGTYPE, a bad number, a bad score, a module's own error.
    """
    row = ERROR_POLICIES.get(first_word(reply))
    if row is not None:
        return row
    said = str(reply)
    return _STOP if any(what in said for what in EVERY_RECORD) else _REJECT


def first_word(reply: BaseException) -> str:
    """Return the class of an error reply: its first word, or the status redis-py has taken from it."""
    return str(getattr(reply, "status_code", None) or str(reply).split(" ", 1)[0])


def explain(reply: BaseException) -> str:
    """Say what an error reply means and what to do. Never quotes data: only what the server says of it."""
    row = ERROR_POLICIES.get(first_word(reply))
    said = str(reply).split(", with args beginning with", 1)[0].split("\n", 1)[0][:200]
    return f"{row.meaning} ({said})" if row is not None else said


def failure(reply: Exception | str, target: object) -> TargetError:
    """Make the error that ends the run because of a reply."""
    return TargetError(f"{target}: {explain(reply) if isinstance(reply, Exception) else reply}")
