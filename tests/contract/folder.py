"""A target that is a folder: each session writes the wires it was given into a file of its own.

It needs no server and crosses into worker processes, so every way to run can be tried on it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.encode.strategies.set import SetEncoder
from etl.errors import TargetError
from etl.plan import Batch, BatchResult, Refusal, Response, Wire
from etl.sink.address import parse_address
from etl.template import Template
from tests.unit.given import VALUE, parse_commands, template
from tests.unit.memory import Near, lines_in

SET = SetEncoder(template("{#}"), VALUE, (), "replace")


@dataclass(frozen=True, slots=True)
class FolderTarget(Near):
    """Agrees with everything."""

    folder: Path

    def connect(self, client_name: str) -> FolderSession:
        return FolderSession(self.folder / client_name)

    def records(self) -> dict[str, list[tuple[int, bytes]]]:
        """Return what each session was sent: numbers and lines, in order."""
        return {
            path.name: [(int(key), line) for _, key, line in parse_commands(path.read_bytes())]
            for path in sorted(self.folder.iterdir())
        }


class FolderSession:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        for buffer in wire.buffers:
            self._file.write(buffer)
        yield Response(token, wire, None)

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        """It is always the same."""

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class RefusingTarget(Near):
    """Cannot be reached; its address has a password."""

    url: str

    def connect(self, client_name: str) -> FolderSession:
        raise TargetError(f"{parse_address(self.url)}: nobody is there")


@dataclass(frozen=True, slots=True)
class LosingTarget(Near):
    """Is lost by worker 1 only; to the others it is a folder."""

    folder: Path

    def connect(self, client_name: str) -> FolderSession:
        if client_name.endswith("-1"):
            raise TargetError("lost")
        return FolderSession(self.folder / client_name)


@dataclass(frozen=True, slots=True)
class BuggyEncoder:
    """Meets a bug at the line ``bug``, and is killed at the line ``killed``."""

    @property
    def templates(self) -> tuple[Template, ...]:
        return SET.templates

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return SET.split_encodable(batch)

    def encode(self, batch: Batch) -> Wire:
        lines = lines_in(batch)
        if b"bug" in lines:
            raise ZeroDivisionError("a bug")
        if b"killed" in lines:
            os.kill(os.getpid(), signal.SIGKILL)
        return SET.encode(batch)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        return SET.read_replies(batch, wire, replies)
