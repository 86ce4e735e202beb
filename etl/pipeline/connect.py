"""Second step: a server that is there, and one connection for questions to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from etl.errors import UsageError
from etl.options import LoadOptions
from etl.output.notice import choose_mode, log_notice
from etl.plan import StopFlag, Target
from etl.sink.choose import identified, opened_target
from etl.sink.control import ControlConnection
from etl.sink.rdb_file.target import RdbFileTarget


@dataclass(frozen=True, slots=True)
class Connected:
    """A target that was reached; ``control`` is for questions to it."""

    target: Target
    control: ControlConnection


@contextlib.contextmanager
def connect(options: LoadOptions, stop: StopFlag) -> Iterator[Connected]:
    """Reach the server of ``--to``; it, or an embedded one, is there while this is entered.

    Raises UsageError for a URL that cannot be, and for a file; TargetError, StoppedError.
    """
    with opened_target(options) as opened:
        if isinstance(opened, RdbFileTarget):
            raise UsageError(f"--to {opened} is a file: only load and verify have a use for it")
        with reached(opened, options, stop) as connected:
            yield connected


@contextlib.contextmanager
def reached(opened: Target, options: LoadOptions, stop: StopFlag) -> Iterator[Connected]:
    """Reach a server; it is connected to while this is entered. Raises TargetError, StoppedError."""
    mode = choose_mode(options.progress)
    # An embedded server that ends does not come back.
    retry_for_s = 0.0 if opened.embedded else options.retry_for
    target = identified(opened, stop, retry_for_s, lambda text: log_notice(mode, text))
    with contextlib.closing(ControlConnection(target, stop)) as control:
        yield Connected(target, control)
