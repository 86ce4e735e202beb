"""RDB files: built for a load (``etl/sink/rdb_file/``), and read by a server of our own for a verify."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator

from etl.errors import SourceError, UsageError
from etl.options import ShardOptions, TargetOptions
from etl.plan import Target
from etl.shards import SHARD
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.rdb_file.append_only import base_file
from etl.sink.rdb_file.existing import is_other_file
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.shards import sharding_of
from etl.sink.rdb_file.target import RdbFileTarget

SCHEMES = {"rdb:": "FILE"}
NOUN = "an RDB file"
OPTIONS = ("rdb_version", "slots_of", "aof")


@contextlib.contextmanager
def open(url: str, options: TargetOptions) -> Iterator[Target]:
    """Yield the file as a target, or a server that has loaded it.

    Raises UsageError, SourceError, TargetError, MissingExtraError.
    """
    name = url.removeprefix("rdb:")
    if not name:
        raise UsageError("--to rdb: needs a file: --to rdb:FILE")
    if not options.WRITES:
        with _loaded(name, url) as target:
            yield target
        return
    shards = options.shards if isinstance(options, ShardOptions) else None
    sharding = sharding_of(name, shards, options.slots_of)
    files = tuple(_file(each, options) for each in sharding.names)
    yield RdbFileTarget(
        url,
        Paths(files),
        int(options.rdb_version),
        sharding.shard_of,
        append_only=options.aof,
        notice=sharding.notice,
    )


def _file(name: str, options: TargetOptions) -> str:
    """Return the path of a file that can be written, and whose place nothing else has. Raises UsageError."""
    path = _path(name)
    try:
        if options.aof:
            if not os.path.isdir(path):
                raise UsageError(f"--to rdb:{name}: with --aof it is a server's folder, and there is none")
            return base_file(path)
        if os.path.isdir(path):
            raise UsageError(f"--to rdb:{name} is a folder: name the file in it, as rdb:{name}/dump.rdb")
        if not os.path.isdir(os.path.dirname(path)):
            raise UsageError(f"--to rdb:{name}: the folder {os.path.dirname(path)} does not exist")
        if is_other_file(path):
            raise UsageError(f"--to rdb:{name} is there, and is no RDB file: it would be lost; name another")
    except OSError as error:
        raise UsageError(f"--to rdb:{name} cannot be used: {error.strerror}") from None
    return path


def _path(name: str) -> str:
    return os.path.abspath(os.path.expanduser(name))


@contextlib.contextmanager
def _loaded(name: str, url: str) -> Iterator[StandaloneTarget]:
    """Run a server that has loaded a file, in a folder of its own; the file stays as it is."""
    from etl.sink.embedded.server import opened  # only this starts a process

    if SHARD in name:
        raise UsageError(f"--to {url}: one file is verified at a time, against the records that are in it")
    path = _path(name)
    if os.path.isdir(path):
        path = base_file(path)
    if not os.path.isfile(path):
        raise SourceError(f"{url} is not there: redis-etl load builds it")
    with tempfile.TemporaryDirectory(prefix="redis-etl-") as folder:
        dump = os.path.join(folder, "dump.rdb")
        if path.endswith(".gz"):
            with gzip.open(path) as packed, builtins.open(dump, "wb") as plain:
                shutil.copyfileobj(packed, plain)
        else:
            os.symlink(path, dump)
        with opened(folder, keeps=False) as server_url:
            yield StandaloneTarget(parse_address(server_url), embedded=True, named=url)
