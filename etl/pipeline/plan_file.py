"""A plan as a file: JSON that people can read, whole and checked, without any secret.

``redis_etl_plan`` is the version of the lay-out; a reader refuses any other. ``check`` is a digest of all the
rest: a file that was cut off or changed by hand is refused. ``blocks`` are rows of BLOCK_FIELDS, so that no
shard has to look for them again; null for sources that are cut as they are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from etl.errors import SourceError, UsageError
from etl.plan import Block

VERSION = 1

BLOCK_FIELDS = ("file", "start", "stop", "first_record", "records", "long_bytes")

_MEMBERS: dict[str, Any] = {
    "made_at": str,
    "job": str,
    "to": str,
    "target": str,
    "sources": list,
    "options": dict,
    "fingerprint": str,
    "template": str,
    "bytes": (int, type(None)),
    "block_bytes": int,
    "blocks": (list, type(None)),
}


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What shards are told of a job, wherever they run.

    ``to`` is the target's URL without a password, ``target`` its name. ``options`` are those that were given,
    by their names in Python, as a command line has them. ``fingerprint`` and ``template`` are digests of the
    sources and of what becomes of their records (``JobSpec``); ``nbytes`` is the sources' size.
    """

    made_at: str
    job: str
    to: str
    target: str
    sources: tuple[str, ...]
    options: Mapping[str, Any]
    fingerprint: str
    template: str
    nbytes: int | None
    block_bytes: int
    blocks: tuple[Block, ...] | None = field(repr=False)

    def text(self) -> str:
        """Return the file's text: a member a line, and a block a line."""
        members = self._members()
        rows = members.pop("blocks")
        lines = [f"  {_json(name)}: {_json(value)}" for name, value in members.items()]
        blocks = "null" if rows is None else "[\n" + ",\n".join(f"    {_json(row)}" for row in rows) + "\n  ]"
        lines.append(f'  "blocks": {blocks}')
        lines.append(f'  "check": {_json(_check(self._members()))}')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def write(self, path: str) -> None:
        """Write the file, whole or not at all. Raises UsageError where it cannot be."""
        folder = os.path.dirname(os.path.abspath(path))
        made = None
        try:
            descriptor, made = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self.text())
            os.chmod(made, 0o644 & ~_umask())
            os.replace(made, path)
        except OSError as error:
            if made is not None:
                with suppress(OSError):
                    os.unlink(made)
            raise UsageError(f"--out {path} cannot be written: {error.strerror}") from None

    def _members(self) -> dict[str, Any]:
        return {
            "redis_etl_plan": VERSION,
            "made_at": self.made_at,
            "job": self.job,
            "to": self.to,
            "target": self.target,
            "sources": list(self.sources),
            "options": dict(self.options),
            "fingerprint": self.fingerprint,
            "template": self.template,
            "bytes": self.nbytes,
            "block_bytes": self.block_bytes,
            "blocks": None if self.blocks is None else [_row(block) for block in self.blocks],
        }


def read_plan(path: str) -> PlanFile:
    """Read a plan's file. Raises UsageError for what is none, SourceError where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"--plan {path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        ) from None
    return parse_plan(text, path)


def parse_plan(text: str, path: str) -> PlanFile:
    """Return the plan of a file's text. Raises UsageError, which names the file."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not whole JSON") from None
    if not isinstance(members, dict) or "redis_etl_plan" not in members:
        raise UsageError(f"--plan {path} is no plan: redis-etl plan SOURCE... --out FILE writes one")
    version = members["redis_etl_plan"]
    if version != VERSION:
        raise UsageError(
            f"--plan {path} is a plan of version {version}, and this redis-etl reads version {VERSION}: make"
            " it again with the release that loads it"
        )
    check = members.pop("check", None)
    if check != _check(members):
        raise _damaged(path, "its contents do not fit their check")
    for name, kind in _MEMBERS.items():
        if name not in members or not isinstance(members[name], kind):
            raise _damaged(path, f"{name} is missing or wrong")
    try:
        blocks = None if members["blocks"] is None else tuple(_blocks(members["blocks"]))
    except (TypeError, ValueError):
        raise _damaged(path, "a block is wrong") from None
    return PlanFile(
        sources=tuple(map(str, members["sources"])),
        nbytes=members["bytes"],
        blocks=blocks,
        **{name: members[name] for name in _MEMBERS if name not in ("sources", "bytes", "blocks")},
    )


def _damaged(path: str, why: str) -> UsageError:
    return UsageError(f"--plan {path} is damaged: {why}; make it again with redis-etl plan")


def _row(block: Block) -> list[int | None]:
    return [getattr(block, name) for name in BLOCK_FIELDS]


def _blocks(rows: Iterable[Any]) -> Iterable[Block]:
    for number, row in enumerate(rows):
        values = dict(zip(BLOCK_FIELDS, row, strict=True))
        yield Block(number=number, **values)


def _check(members: Mapping[str, Any]) -> str:
    text = json.dumps(members, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
