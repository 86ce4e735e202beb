"""Single questions to a server before and behind a load: one command, or a few, and their replies."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from etl.encode.wire import Wire
from etl.plan import Session, Target


def ask(session: Session, wire: Wire) -> Sequence[Any]:
    """Send a wire and wait for its replies; an error reply is an exception among them. Raises TargetError."""
    answers = [*session.submit(wire, None), *session.drain()]
    (answer,) = answers
    return answer.replies or ()


def ask_once(target: Target, wire: Wire) -> Sequence[Any]:
    """Connect, ask and hang up. Raises TargetError."""
    with contextlib.closing(target.connect("redis-etl")) as session:
        return ask(session, wire)
