"""An error reply of the server, with what is done about it. The table is in ``etl/sink/error_replies.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_QUOTED = 200
"""Characters of an error reply that are shown."""

KEY_EXISTS = "BUSYKEY"
"""First word of the reply to a RESTORE without REPLACE, where the key exists."""


class Action(Enum):
    """What is done about an error reply. None of these commands was applied."""

    AGAIN = "send it again, until the deadline"
    STOP = "end the run: every record would get it"
    REJECT = "refuse the record"


class Cause(Enum):
    """What an error reply is about, as far as more depends on it than an Action."""

    LOGIN = "this connection may run no command at all"
    PERMISSION = "this user may not run this command, or not with this key"
    LOADING = "the server is there, and loads its data set"
    MOVED = "the key's slot is at another node of the cluster"
    ASK = "the key, or where it would be made, is at another node by now, to which its slot moves"
    SPLIT = "not all keys of the command are at this node while their slot moves"
    KEY_EXISTS = "the key exists, and was not to be replaced"
    WRONG_TYPE = "the key holds a value of another type"
    OTHER = "anything else"


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What is done about an error reply.

    ``meaning`` is a sentence for people that ends with what to do. ``limit_s`` bounds an AGAIN that
    ``--retry-for`` would not. ``reconnect``: the name may lead to another server by now.
    """

    action: Action
    meaning: str = ""
    cause: Cause = Cause.OTHER
    limit_s: float | None = None
    reconnect: bool = False


class ErrorReply(Exception):  # noqa: N818 - a reply of the server, and no error of ours
    """An error reply; its text is the server's. Classified once, where it comes in: see ``policy``."""

    def __init__(self, text: str, policy: ErrorPolicy) -> None:
        super().__init__(text)
        self.policy = policy

    @property
    def explained(self) -> str:
        """Return what it means and what to do. Never quotes data: only what the server says of it."""
        said = quoted(str(self))
        return f"{self.policy.meaning} ({said})" if self.policy.meaning else said


def quoted(text: str) -> str:
    """Return what may be shown of an error's text: one line, without the arguments of a command."""
    return text.split(", with args beginning with", 1)[0].split("\n", 1)[0][:MAX_QUOTED]


def has_cause(reply: object, cause: Cause) -> bool:
    """Return True if ``reply`` is an error reply about this."""
    return isinstance(reply, ErrorReply) and reply.policy.cause is cause
