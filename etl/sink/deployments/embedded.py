"""A redis-server of our own, which runs while the target is open (``etl/sink/embedded/``)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from etl.errors import UsageError
from etl.options import TargetOptions
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget

SCHEMES = {"embedded:": "FOLDER"}
NOUN = "an embedded server"
OPTIONS: tuple[str, ...] = ()


@contextlib.contextmanager
def open(url: str, options: TargetOptions) -> Iterator[StandaloneTarget]:
    """Run a server on the folder and yield it. Raises UsageError, TargetError, MissingExtraError."""
    folder = url.removeprefix("embedded:")
    if not folder:
        raise UsageError("--to embedded: needs a folder, where the data are kept: --to embedded:FOLDER")
    from etl.sink.embedded.server import opened  # of all targets only this one starts a process

    with opened(folder) as server_url:
        yield StandaloneTarget(parse_address(server_url), embedded=True, named=url)
