"""RDB files: built for a load (``etl/sink/rdb_file/``), and read by a server of our own for a verify."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from itertools import repeat

from etl.errors import SourceError, TargetError, UsageError
from etl.options import LoadOptions
from etl.plan import Target
from etl.shards import SHARD
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.rdb_file.append_only import base_file
from etl.sink.rdb_file.container import container_of
from etl.sink.rdb_file.existing import head_of, is_other_file
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.shards import sharding_of
from etl.sink.rdb_file.target import RdbFileTarget
from etl.sink.rdb_file.upload import Upload
from etl.source.storage.uri import Uri, is_remote, parse_uri

SCHEMES = {"rdb:": "FILE"}
NOUN = "an RDB file"
OPTIONS = ("rdb_version", "slots_of", "aof")


@contextlib.contextmanager
def open(url: str, options: LoadOptions) -> Iterator[Target]:
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
    sharding = sharding_of(name, options.shards, options.slots_of)
    uploads = tuple(Upload(_uri(each, options)) for each in sharding.names) if is_remote(name) else ()
    files = [upload.local for upload in uploads] or [_local(each, options) for each in sharding.names]
    for file, upload in zip(files, uploads or repeat(None), strict=False):
        _require_no_other(file, upload)
    yield RdbFileTarget(
        f"rdb:{parse_uri(name)}" if uploads else url,
        Paths(tuple(files)),
        int(options.rdb_version),
        sharding.shard_of,
        append_only=options.aof,
        notice=sharding.notice,
        uploads=uploads,
    )


def _uri(name: str, options: LoadOptions) -> Uri:
    if options.aof:
        raise UsageError("--aof is for a folder of this machine")
    return parse_uri(name)


def _local(name: str, options: LoadOptions) -> str:
    """Return the path of a file that can be written. Raises UsageError."""
    path = _path(name)
    if options.aof:
        if not os.path.isdir(path):
            raise UsageError(f"--to rdb:{name}: with --aof it is a server's folder, and there is none")
        return base_file(path)
    if os.path.isdir(path):
        inside = os.path.join(name, "dump.rdb")
        raise UsageError(f"--to rdb:{name} is a folder: name the file in it, as rdb:{inside}")
    folder = path if name.endswith(os.sep) else os.path.dirname(path)
    if not os.path.isdir(folder):
        raise UsageError(f"--to rdb:{name}: the folder {folder} does not exist")
    if os.path.exists(path) and not os.path.isfile(path):  # it would be replaced
        raise UsageError(f"--to rdb:{name} is a device, a pipe or a socket: name a file")
    if container_of(path) != container_of(name):
        raise UsageError(
            f"--to rdb:{name} is a link to {path}: only one of them ends with .gz; name the file"
        )
    return path


def _require_no_other(file: str, upload: Upload | None) -> None:
    """Refuse a place where another file is, which would be lost. Raises UsageError, TargetError."""
    shown = file if upload is None else upload.uri
    try:
        if is_other_file(head_of(file, upload)):
            raise UsageError(f"--to rdb:{shown} is there, and is no RDB file: it would be lost; name another")
    except OSError as error:
        raise UsageError(f"--to rdb:{shown} cannot be used: {error.strerror}") from None


def _path(name: str) -> str:
    """Return the path of the file itself: a link to it stays one."""
    return os.path.realpath(os.path.expanduser(name))


@contextlib.contextmanager
def _loaded(name: str, url: str) -> Iterator[StandaloneTarget]:
    """Run a server that has loaded a file, in a folder of its own; the file stays as it is."""
    from etl.sink.embedded.server import opened  # only this starts a process

    if SHARD in name:
        raise UsageError(f"--to {url}: one file is verified at a time, against the records that are in it")
    if is_remote(name):
        raise UsageError("verify reads an RDB file of this machine: download it first, and name it")
    path = _path(name)
    if os.path.isdir(path):
        path = base_file(path)
    if not os.path.isfile(path):
        raise SourceError(f"{url} is not there: redis-etl load builds it")
    with tempfile.TemporaryDirectory(prefix="redis-etl-") as folder:
        _put_plain(path, os.path.join(folder, "dump.rdb"), url)
        with opened(folder, keeps=False, named=url) as server_url:
            yield StandaloneTarget(parse_address(server_url), embedded=True, named=url)


def _put_plain(path: str, dump: str, url: str) -> None:
    """Have a file at another path too, unpacked. Raises TargetError."""
    try:
        if not path.endswith(".gz"):
            os.symlink(path, dump)
            return
        with gzip.open(path) as packed, builtins.open(dump, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TargetError(f"{url} is damaged: {error}") from None
    except OSError as error:
        raise TargetError(f"{url} cannot be unpacked into {dump}: {error.strerror}") from None
