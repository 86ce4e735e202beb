"""Data and templates that would be commands: whatever a record holds, it is only stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.cli.main import main
from tests.support import RealServer, RecordingProxy, data_size, run_cli

ATTACKS = (
    "\r\nFLUSHALL\r\n",
    "x\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "\nCONFIG SET dir /tmp\n",
    "$-1\r\nSHUTDOWN NOSAVE\r\n",
    "' ; FLUSHALL ; '",
    "{*}{line}{{",
    "%s{0.__class__}$(reboot)`reboot`",
    "\0\r\nQUIT\r\n",
)


@pytest.fixture
def server(real_server: RealServer) -> RealServer:
    """A server with a key that has to survive."""
    real_server.client().set("keep", "it")
    return real_server


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A record an attack: in a value, in what becomes a key, and in the name of a field."""
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": attack, "v": attack, "n": number, attack: attack}) + "\n"
            for number, attack in enumerate(ATTACKS)
        )
    )
    return path


def untouched(server: RealServer, *, scripts: int = 0) -> None:
    """See that no command of an attack has run, or was tried; ``scripts`` are those of the fence."""
    client = server.client()
    assert client.get("keep") == b"it"
    stats = client.info("commandstats")
    assert stats.pop("cmdstat_eval", {"calls": 0})["calls"] == scripts
    ran = {name.removeprefix("cmdstat_").partition("|")[0] for name in stats}
    assert not ran & {"flushall", "config", "shutdown", "quit"}


@pytest.mark.parametrize(
    "options",
    [
        ("--as", "hash", "--wire", "hset"),
        ("--as", "hash", "--wire", "restore"),
        ("--as", "string", "--value", "{v}"),
        ("--as", "string", "--value", "{v}", "--ttl", "1000"),
        ("--as", "list", "--value", "{v}"),
        ("--as", "set", "--value", "{v}"),
        ("--as", "zset", "--value", "{v}", "--score", "{n}"),
        (
            "--as",
            "stream",
        ),
        ("--command", "SADD {id} {v}", "--command", "HSET '{id}:h' {*}"),
        ("--command", "SET {id} {json}"),
    ],
    ids=" ".join,
)
def test_data_that_look_like_commands_are_stored(
    server: RealServer, rows: Path, options: tuple[str, ...]
) -> None:
    key = () if "--command" in options else ("--key", "{id}")
    assert main(["load", str(rows), "--to", server.url, *key, *options, "--workers", "1"]) == 0
    client = server.client()
    assert {attack.encode() for attack in ATTACKS} <= set(client.keys())
    if "hash" in options:
        for attack in ATTACKS:
            assert client.hget(attack, attack) == attack.encode()
    untouched(server, scripts=1 if "list" in options or "stream" in options else 0)


def test_lines_that_look_like_commands_are_stored(server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("FLUSHALL\n*1\r\n$8\r\nFLUSHALL\r\nSHUTDOWN NOSAVE\n")
    ended = run_cli("load", tmp_path / "lines.txt", "--to", server.url, "--key", "{line}")
    assert ended.returncode == 0, ended.stderr
    assert server.client().get("FLUSHALL") == b"FLUSHALL"
    assert server.client().get("SHUTDOWN NOSAVE") == b"SHUTDOWN NOSAVE"
    untouched(server)


def test_only_arrays_with_lengths_are_written(real_server: RealServer, rows: Path) -> None:
    with RecordingProxy(real_server.port) as proxy:
        ended = run_cli("load", rows, "--to", proxy.url, "--key", "{id}", "--workers", "2")
        assert ended.returncode == 0, ended.stderr
        assert len(proxy.sent) >= 2
        for stream in proxy.sent:
            assert_arrays(stream)


def assert_arrays(stream: bytes) -> None:
    position = 0

    def number(mark: bytes) -> int:
        nonlocal position
        assert stream[position : position + 1] == mark
        end = stream.index(b"\r\n", position)
        value = int(stream[position + 1 : end])
        position = end + 2
        return value

    while position < len(stream):
        for _ in range(number(b"*")):
            length = number(b"$")
            position += length
            assert stream[position : position + 2] == b"\r\n"
            position += 2


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("FLUSHALL now", 2),
        ("flushall {id}", 2),
        ("{v} {id}", 2),
        ("{v}ALL {id}", 2),
        ("'' {id}", 2),
        ("EVAL {v} 0", 2),
        ("'FLUSHALL\r\n' {id}", 4),
        ("'SET a b\r\nFLUSHALL' {id}", 4),
        ("'FLUSHALL ' {id}", 4),
        ("'CONFIG|SET' {id} x", 4),
    ],
)
def test_no_template_becomes_another_command(
    server: RealServer, rows: Path, capsys: pytest.CaptureFixture[str], template: str, code: int
) -> None:
    assert main(["load", str(rows), "--to", server.url, "--command", template, "--progress", "none"]) == code
    assert "Traceback" not in capsys.readouterr().err
    assert data_size(server.client()) == 1
    # A name that nobody knows could be a command that adds up: it is tried behind the fence.
    untouched(server, scripts=int(code == 4 and "CONFIG|SET" in template))
