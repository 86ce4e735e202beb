"""Real Sentinels: the primary that they watch is loaded into, and their port is told from a server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.commands import run_here
from tests.support import RealServer, StartServer, free_port, wait_until
from tests.support.sentinel import NAME, REPLICATED, RealSentinel

SECRET = "S3cretMarker"
OF_SENTINELS = "An0therMarker"


@pytest.fixture
def sentinel(tmp_path: Path, real_server: RealServer) -> Iterator[RealSentinel]:
    """A real Sentinel that watches a real server."""
    with RealSentinel(tmp_path / "sentinel", real_server.port) as sentinel:
        yield sentinel


def few_lines(folder: Path) -> Path:
    (folder / "few.txt").write_text("one\ntwo\n")
    return folder / "few.txt"


@pytest.mark.parametrize("verb", ["load", "verify"])
def test_the_port_of_a_sentinel_names_the_url_of_the_primary(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    real_server: RealServer,
    sentinel: RealSentinel,
    verb: str,
) -> None:
    file = few_lines(tmp_path)
    ended = run_here(capsys, verb, file, "--to", f"redis://{sentinel.address}/0")
    assert ended.code == 4
    meant = f"redis+sentinel://{sentinel.address}/{NAME}/0"
    assert ended.sentence == (
        f"redis://{sentinel.address}/0: this is a Sentinel, which has no data; for a primary that it watches"
        f" give --to {meant} ({NAME} at 127.0.0.1:{real_server.port})"
    )
    assert real_server.client().dbsize() == 0
    assert run_here(capsys, "load", file, "--to", meant).code == 0


def test_a_sentinel_has_no_databases(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sentinel: RealSentinel
) -> None:
    ended = run_here(capsys, "load", few_lines(tmp_path), "--to", f"redis://{sentinel.address}/1")
    assert ended.code == 4
    assert (
        f"is this the port of a Sentinel? Give redis+sentinel://{sentinel.address}/NAME/1 instead"
        in ended.sentence
    )


def test_sentinels_with_a_password_lead_to_a_primary_with_another_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    start_server: StartServer,
) -> None:
    """Loaded, resumed by a URL with the Sentinels in another order, kept, verified; nothing is shown."""
    monkeypatch.chdir(tmp_path)
    primary = start_server(*REPLICATED)
    primary.client().config_set("requirepass", SECRET)
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port), "--masterauth", SECRET)
    wait_until(
        lambda: replica.client().info("replication")["master_link_status"] == "up", what="a replica in step"
    )
    config = (f"requirepass {OF_SENTINELS}", f"sentinel auth-pass {NAME} {SECRET}")
    file = few_lines(tmp_path)
    with RealSentinel(tmp_path / "sentinel", primary.port, *config) as sentinel:
        hosts = [f"127.0.0.1:{free_port()}", sentinel.address]
        url = f"redis+sentinel://{','.join(hosts)}/{NAME}/3"
        again = f"redis+sentinel://{','.join(reversed(hosts))}/{NAME}/3"
        monkeypatch.setenv("REDISCLI_AUTH", SECRET)

        ended = run_here(capsys, "load", file, "--to", url)
        assert ended.code == 4
        assert "the Sentinel wants a password of its own: set $SENTINEL_AUTH" in ended.sentence
        shown = ended.stderr

        monkeypatch.setenv("SENTINEL_AUTH", OF_SENTINELS)
        for where, more, counts in (
            (url, ("--wait-replicas", "1", "--workers", "2"), {"written": 2, "skipped": 0}),
            (again, ("--skip-unchanged",), {"read": 0}),
            (again, ("--restart", "--if-exists", "skip"), {"written": 0, "skipped": 2}),
        ):
            ended = run_here(capsys, "load", file, "--to", where, *more, "--json")
            assert ended.code == 0, ended
            assert counts.items() <= ended.records.items()
            shown += ended.stdout + ended.stderr
        assert run_here(capsys, "verify", file, "--to", again).code == 0
        assert primary.client(db=3, password=SECRET).get("0") == b"one"
        monkeypatch.setenv("REDISCLI_AUTH", "wrong")
        ended = run_here(capsys, "load", file, "--to", url)
        assert ended.code == 4
        assert f"redis://127.0.0.1:{primary.port}/3 (primary of {NAME}) refused the connection: " in (
            ended.sentence
        )
        shown += ended.stderr
    assert SECRET not in shown
    assert OF_SENTINELS not in shown
