"""An RDB file: built for a load (``etl/sink/rdb_file/``), and read by a server of our own for a verify."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from etl.errors import SourceError, UsageError
from etl.options import TargetOptions
from etl.plan import Target
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.rdb_file.existing import is_other_file
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.target import RdbFileTarget

SCHEMES = {"rdb:": "FILE"}
NOUN = "an RDB file"
OPTIONS = ("rdb_version",)


@contextlib.contextmanager
def open(url: str, options: TargetOptions) -> Iterator[Target]:
    """Yield the file as a target, or a server that has loaded it. Raises UsageError, MissingExtraError."""
    name = url.removeprefix("rdb:")
    if not name:
        raise UsageError("--to rdb: needs a file: --to rdb:FILE")
    if not options.WRITES:
        with _loaded(name, url) as target:
            yield target
        return
    _require_place(name)
    yield RdbFileTarget(Paths(os.path.abspath(os.path.expanduser(name))), int(options.rdb_version))


def _require_place(name: str) -> None:
    """Refuse what cannot be written, or would be lost. Raises UsageError."""
    path = os.path.abspath(os.path.expanduser(name))
    try:
        if os.path.isdir(path):
            raise UsageError(f"--to rdb:{name} is a folder: name the file in it, as rdb:{name}/dump.rdb")
        if not os.path.isdir(os.path.dirname(path)):
            raise UsageError(f"--to rdb:{name}: the folder {os.path.dirname(path)} does not exist")
        if is_other_file(path):
            raise UsageError(f"--to rdb:{name} is there, and is no RDB file: it would be lost; name another")
    except OSError as error:
        raise UsageError(f"--to rdb:{name} cannot be used: {error.strerror}") from None


@contextlib.contextmanager
def _loaded(name: str, url: str) -> Iterator[StandaloneTarget]:
    """Run a server that has loaded a file, in a folder of its own; the file stays as it is."""
    from etl.sink.embedded.server import opened  # only this starts a process

    path = os.path.abspath(os.path.expanduser(name))
    if not os.path.isfile(path):
        raise SourceError(f"{url} is not there: redis-etl load builds it")
    with tempfile.TemporaryDirectory(prefix="redis-etl-") as folder:
        os.symlink(path, os.path.join(folder, "dump.rdb"))
        with opened(folder, keeps=False) as server_url:
            yield StandaloneTarget(parse_address(server_url), embedded=True, named=url)
