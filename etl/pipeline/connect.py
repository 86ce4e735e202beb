"""Second step: a server that is there, and one connection for questions to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from etl.options import LoadOptions
from etl.output.notice import choose_mode, log_notice
from etl.plan import StopFlag, Target
from etl.sink.choose import identified, opened_target
from etl.sink.control import ControlConnection


@dataclass(frozen=True, slots=True)
class Connected:
    """A target that was reached; ``control`` is for questions to it."""

    target: Target
    control: ControlConnection


@contextlib.contextmanager
def connect(options: LoadOptions, stop: StopFlag) -> Iterator[Connected]:
    """Reach the target of ``--to``; it, or an embedded server, is there while this is entered.

    Raises UsageError for a URL that cannot be, TargetError, StoppedError.
    """
    mode = choose_mode(options.progress)
    with opened_target(options) as opened:
        # An embedded server that ends does not come back.
        retry_for_s = 0.0 if opened.embedded else options.retry_for
        target = identified(opened, stop, retry_for_s, lambda text: log_notice(mode, text))
        with contextlib.closing(ControlConnection(target, stop)) as control:
            yield Connected(target, control)
