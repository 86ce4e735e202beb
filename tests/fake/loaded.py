"""What the tests with real workers share: inputs, what a server holds, and what each worker sent it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support import RecordingProxy, run_cli
from tests.unit.given import commands_in


def write(path: Path, lines: list[bytes], end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def some_lines(count: int, seed: int = 1) -> list[bytes]:
    """Lines of many lengths, some of them empty, binary, or padded with white space."""
    draw = random.Random(seed)
    kinds = (
        lambda n: b"",
        lambda n: b"line %d" % n,
        lambda n: b"  padded %d\t" % n,
        lambda n: draw.randbytes(draw.randrange(60)).replace(b"\n", b" ").replace(b"\r", b"-"),
        lambda n: "ünïcode €".encode() * draw.randrange(9),
        lambda n: b"*1\r$8\0FLUSHALL",
    )
    return [kinds[draw.randrange(len(kinds))](number) for number in range(count)]


def all_of(client: Redis) -> dict[bytes, bytes]:
    """Give every key and value that the server holds."""
    keys: Any = client.keys("*")
    values: Any = client.mget(keys) if keys else []
    return dict(zip(keys, values, strict=True))


def numbered(lines: list[bytes], prefix: bytes = b"") -> dict[bytes, bytes]:
    return {prefix + b"%d" % number: line for number, line in enumerate(lines)}


def keys_by_worker(proxy: RecordingProxy) -> dict[str, list[int]]:
    """Give the record numbers that each connection wrote (or read), in order, by the name it gave itself."""
    sent: dict[str, list[int]] = {}
    for stream in proxy.sent:
        commands = commands_in(stream)
        (name,) = [command[2].decode() for command in commands if command[:2] == [b"CLIENT", b"SETNAME"]]
        assert name not in sent, f"{name} connected twice"
        sent[name] = [
            int(key.rpartition(b":")[2])
            for command in commands
            for key in {b"MSET": command[1::2], b"SET": command[1:2], b"MGET": command[1:]}.get(
                command[0], []
            )
        ]
    return sent


def report_of(*argv: str | Path, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a command with ``--json`` and give its report; it must end with this code and no traceback."""
    done = run_cli(*argv, "--json", env=env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report
