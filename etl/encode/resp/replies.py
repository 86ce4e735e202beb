"""What replies to reading commands may be instead of a value."""

from __future__ import annotations

from typing import Any

from etl.plan.error_reply import Cause, has_cause

WRONG_TYPE = b"a value of another type"


def wrong_type(reply: Any) -> bool:
    """Return True if an error reply means that the key holds a value of another type."""
    return has_cause(reply, Cause.WRONG_TYPE)


def odd_reply(command: bytes, reply: Any) -> str:
    """Return the sentence that a reply is of no kind that this command has."""
    return f"{command.decode()} answered with {type(reply).__name__}"
