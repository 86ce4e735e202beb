"""A user with exactly the rights that the README lists, beside those for the data, gets in and is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.fault.commands import Ended, run_here
from tests.support import REPO, StartServer, data_keys
from tests.support.versions import NEW, OLD, SYSTEM, binary_of

LINES = 40

ALWAYS, FENCE = (
    re.search(rf"{sentence}\s`([A-Z ]+)`", (REPO / "README.md").read_text())
    for sentence in ("A user with few rights needs, on `~etl:\\*`:", "and for the fence")
)


def rights(*data: str) -> list[str]:
    assert ALWAYS is not None
    assert FENCE is not None
    fence = FENCE[1].split() if "RPUSH" in data else []
    return [f"+{name.lower()}" for name in (*ALWAYS[1].split(), *fence, *data)]


LOADS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "strings": (("--key", "k:{#}"), ("MSET",)),
    "hashes": (("--key", "k:{#}", "--as", "hash"), ("HSET", "DEL")),
    "a list behind the fence": (("--key", "k:all", "--as", "list"), ("RPUSH", "DEL")),
}


@pytest.mark.parametrize("version", [OLD, SYSTEM, NEW])
def test_a_user_with_the_rights_that_the_readme_lists_loads_resumes_and_verifies(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_server: StartServer,
    version: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDISCLI_AUTH", "sesame")
    server = start_server(binary=binary_of(version))
    client: Any = server.client()
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"line {number}\n" for number in range(LINES)))

    def user(*data: str) -> tuple[str, ...]:
        client.execute_command("ACL", "DELUSER", "few")
        client.execute_command("ACL", "SETUSER", "few", "on", ">sesame", "~etl:*", "~k:*", *rights(*data))
        return "--to", server.url, "--user", "few"

    for options, writes in LOADS.values():
        client.flushall()
        ended = run_here(capsys, "load", file, *options, *user(*writes))
        assert ended.code == 0, ended
        assert ended.records["written"] == LINES
        assert not client.keys("etl:*:lock")
        assert run_here(capsys, "verify", file, *options, *user("@read")).code == 0

    client.flushall()
    client.set("k:30", "in the way")
    load = ("load", str(file), "--command", "RPUSH k:{#} {line}", *user("RPUSH"))
    assert run_here(capsys, *load).code == 5
    resumed: Ended = run_here(capsys, *load, "--max-rejects", "1")
    assert resumed.code == 1, resumed
    assert resumed.report["resumed_from"] is not None
    assert len(data_keys(client)) == LINES
