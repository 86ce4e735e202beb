"""An RDB file as the base of an append-only file: servers with ``appendonly yes`` ignore ``dump.rdb``.

https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ (Redis 7.0 and later).
"""

from __future__ import annotations

import os

from etl.errors import UsageError
from etl.sink.rdb_file.paths import sync_folder

_FOLDER = "appendonlydir"
_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = "appendonly.aof.manifest"
_CONTENT = f"file {_BASE} seq 1 type b\n"

BASE_AUX = {b"aof-base": b"1"}
"""What servers write into such a file themselves."""


def base_file(folder: str) -> str:
    """Return the path of the base in a server's folder. Raises UsageError where another is there."""
    inside = os.path.join(folder, _FOLDER)
    try:
        others = set(os.listdir(inside)) - {_BASE, f"{_BASE}.partial", f"{_BASE}.journal", _MANIFEST}
        with open(os.path.join(inside, _MANIFEST)) as manifest:
            others |= {_MANIFEST} if manifest.read() != _CONTENT else set()
    except FileNotFoundError:
        others = set()
    except OSError as error:
        raise UsageError(f"--to rdb:{folder}: {error.filename}: {error.strerror}") from None
    if others:
        raise UsageError(
            f"--to rdb:{folder}: {inside} has a server's data in it ({min(others)}): name another folder"
        )
    return os.path.join(inside, _BASE)


def write_manifest(base: str) -> None:
    """Write down that there is a base, and nothing after it. Raises OSError."""
    path = os.path.join(os.path.dirname(base), _MANIFEST)
    with open(f"{path}.partial", "w") as manifest:
        manifest.write(_CONTENT)
        manifest.flush()
        os.fsync(manifest.fileno())
    os.replace(f"{path}.partial", path)
    sync_folder(path)
