"""What the tests with real workers share: inputs, what a server holds, and what each worker sent it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from redis import Redis

from etl.cli import main as cli
from tests.support import RecordingProxy, data_keys, run_cli
from tests.support.data import is_of_a_job
from tests.unit.given import parse_commands


def write(path: Path, lines: list[bytes], end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + end for line in lines))
    return path


_NO_LINE_BREAKS = bytes.maketrans(b"\n\r\0", b" -_")  # and no NUL bytes, which only --format lines takes


def some_lines(count: int, seed: int = 1) -> list[bytes]:
    """Lines of many lengths, some of them empty, binary, or padded with white space."""
    draw = random.Random(seed)
    kinds = (
        lambda n: b"",
        lambda n: b"line %d" % n,
        lambda n: b"  padded %d\t" % n,
        lambda n: draw.randbytes(draw.randrange(60)).translate(_NO_LINE_BREAKS),
        lambda n: "ünïcode €".encode() * draw.randrange(9),
        lambda n: b"*1\r$8\x01FLUSHALL",
    )
    return [kinds[draw.randrange(len(kinds))](number) for number in range(count)]


def all_of(client: Redis) -> dict[bytes, bytes]:
    """Return every key and value of the data that the server holds."""
    keys = data_keys(client)
    values: Any = client.mget(keys) if keys else []
    return dict(zip(keys, values, strict=True))


def numbered(lines: list[bytes], prefix: bytes = b"") -> dict[bytes, bytes]:
    return {prefix + b"%d" % number: line for number, line in enumerate(lines)}


def keys_by_worker(proxy: RecordingProxy) -> dict[str, list[int]]:
    """Return the record numbers that each connection wrote (or read), in order, by its name."""
    sent: dict[str, list[int]] = {}
    for stream in proxy.sent:
        commands = parse_commands(stream)
        (name,) = [command[2].decode() for command in commands if command[:2] == [b"CLIENT", b"SETNAME"]]
        assert name not in sent or name == "redis-etl", f"{name} connected twice"
        sent.setdefault(name, []).extend(
            int(key.rpartition(b":")[2])
            for command in commands
            for key in {b"MSET": command[1::2], b"SET": command[1:2], b"MGET": command[1:]}.get(
                command[0], []
            )
            if not is_of_a_job(key)
        )
    return sent


@dataclass(frozen=True)
class Completed:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def called(*argv: str | Path, env: dict[str, str] | None = None) -> Completed:
    """Carry out a command line in this process; its workers, if there are any, are real ones."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, env or {}),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        if not env:
            os.environ.pop("REDIS_URL", None)
        code = cli.main([os.fspath(word) for word in argv])
    return Completed(code, stdout.getvalue(), stderr.getvalue())


def report_of(*argv: str | Path, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Carry out a command with ``--json`` in this process and give its report; it must end with ``code``."""
    return _report(called(*argv, "--json", env=env), code)


def report_of_process(*argv: str | Path, code: int = 0) -> dict[str, Any]:
    """Run a command with ``--json`` as a process and give its report; it must end with ``code``."""
    done = run_cli(*argv, "--json")
    return _report(Completed(done.returncode, done.stdout, done.stderr), code)


def _report(done: Completed, code: int) -> dict[str, Any]:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report
