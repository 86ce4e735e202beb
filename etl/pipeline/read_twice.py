"""A stream whose keys are looked at before the load is copied to a file, and read from there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from etl.output.notice import log_notice
from etl.pipeline.execution import Settles
from etl.pipeline.resolve import Resolved
from etl.source.spooled import spooled


@contextlib.contextmanager
def read_twice(resolved: Resolved, settle: Settles | None) -> Iterator[Resolved]:
    """Have a stream copied while entered, if ``settle`` has to read it before the load does."""
    if settle is None or not resolved.source.streamed:
        yield resolved
        return
    log_notice(
        resolved.progress,
        f"its keys have to be looked at first: the stream is copied to {settle.spool}, and read from there"
        " ({#} in --key spares that)",
    )
    with spooled(resolved.source, settle.spool) as source:
        yield replace(resolved, source=source)
