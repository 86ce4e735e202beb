"""An embedded folder without data is filled by building its ``dump.rdb``: no server runs for the load."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from etl.errors import MissingExtraError, UsageError
from etl.options import LoadOptions, given
from etl.pipeline.resolve import Resolved
from etl.sink.choose import deployment_of
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.target import RdbFileTarget

_SCHEME = "embedded:"
_OF_SERVERS = ("allow_eviction", "at_least_once", "wait_replicas", "wire", "plan", "shard", "runner")
"""Options that show that a server is wanted."""


@contextlib.contextmanager
def empty_folder_as_file(resolved: Resolved, options: LoadOptions) -> Iterator[RdbFileTarget | None]:
    """Yield the dump of ``--to embedded:FOLDER`` as a file that is built; None where a server is to load it.

    The folder is held while this is entered. Raises UsageError for options that have no effect on it, and
    TargetError where it is in use.
    """
    folder = options.url().removeprefix(_SCHEME)
    if not (options.url().startswith(_SCHEME) and folder and _can_be_built(resolved, options)):
        yield None
        return
    deployment_of(options)
    from etl.sink.embedded.binary import rdb_version_of, server_binary
    from etl.sink.embedded.server import empty_folder

    with empty_folder(folder) as dump:
        if dump is None:
            _remove_unfinished(folder)
            yield None
            return
        try:
            version = rdb_version_of(server_binary())
        except MissingExtraError:
            version = 9  # every server reads it
        yield RdbFileTarget(options.url(), Paths((dump,)), version, mode=0o600, keeps_record=True)


def _remove_unfinished(folder: str) -> None:
    """Remove what was begun of a dump, where a server has written one since: nothing can go on with it."""
    dump = os.path.join(os.path.abspath(os.path.expanduser(folder)), "dump.rdb")
    if os.path.lexists(dump):
        Paths((dump,)).remove_unfinished()


def _can_be_built(resolved: Resolved, options: LoadOptions) -> bool:
    """Return True if an RDB file leaves what the load would, and nothing asks for a server."""
    work = resolved.work
    if not work.writes or work.as_entries is None or any(given(options, name) for name in _OF_SERVERS):
        return False
    if work.mapping.if_exists != "replace" or work.mapping.kind == "json":  # a server with a module has JSON
        return False
    try:
        work.as_entries(version=9, base_ms=0)
    except UsageError:
        return False
    return True
