"""``--ttl`` and ``--if-exists`` on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

import etl
from etl.errors import RejectedError
from tests.server.inputs import held, many_lines, write
from tests.support import RealServer, data_size, run_cli

LINES = many_lines(6_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "lines.txt", LINES)


def times_of(client: Redis) -> list[int]:
    """Return the milliseconds that each key of the data has left; -1: it stays."""
    pipeline = client.pipeline(transaction=False)
    for number in range(len(LINES)):
        pipeline.pttl(str(number))
    return pipeline.execute()


@pytest.mark.parametrize("if_exists", ["replace", "skip", "fail"])
def test_keys_expire_after_their_time(real_server: RealServer, file: Path, if_exists: str) -> None:
    etl.load(file, to=real_server.url, ttl=90.5, if_exists=if_exists, workers=2, progress="none")
    client = real_server.client()
    assert held(client, len(LINES)) == LINES
    assert all(30_000 < time <= 90_500 for time in times_of(client))


def test_a_short_time_is_over_soon(real_server: RealServer, file: Path) -> None:
    etl.load(file, to=real_server.url, ttl=0.001, progress="none")
    assert etl.verify(file, to=real_server.url, progress="none").records["missing"] == len(LINES)


def test_without_a_time_keys_stay_and_lose_the_one_they_had(real_server: RealServer, file: Path) -> None:
    real_server.client().set("5", "old", px=100_000)
    etl.load(file, to=real_server.url, progress="none")
    assert set(times_of(real_server.client())) == {-1}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("ttl", [None, 100])
def test_skip_leaves_what_is_there_and_counts_it(
    real_server: RealServer, file: Path, workers: int, ttl: float | None
) -> None:
    client = real_server.client()
    there = list(range(0, len(LINES), 7))
    client.mset({str(number): b"old" for number in there})
    report = etl.load(file, to=real_server.url, if_exists="skip", ttl=ttl, workers=workers, progress="none")
    assert report.status == "complete"
    assert report.exit_code == 0
    assert report.records == {
        "read": len(LINES),
        "written": len(LINES) - len(there),
        "skipped": len(there),
        "rejected": 0,
    }
    expected = [b"old" if number % 7 == 0 else line for number, line in enumerate(LINES)]
    assert held(client, len(LINES)) == expected


def test_skip_twice_skips_all(real_server: RealServer, file: Path) -> None:
    etl.load(file, to=real_server.url, if_exists="skip", progress="none")
    report = etl.load(file, to=real_server.url, if_exists="skip", progress="none")
    assert report.records["skipped"] == len(LINES)


@pytest.mark.parametrize("workers", [1, 2])
def test_fail_ends_the_run_and_names_the_record(
    real_server: RealServer, file: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)  # where the rejects go
    client = real_server.client()
    client.set("4321", "old")
    with pytest.raises(RejectedError) as failure:
        etl.load(file, to=real_server.url, if_exists="fail", workers=workers, progress="none")
    offset = sum(len(line) + 1 for line in LINES[:4321])
    assert str(failure.value) == (
        f"stopped: record 4,321 of {file} (byte {offset:,}) was refused: its key exists;"
        " 0 rejects are allowed (--max-rejects)"
    )
    report = failure.value.report
    assert report is not None
    assert report.status == "incomplete"
    assert report.records["rejected"] == 1
    assert report.records["read"] == report.records["written"] + 1
    assert report.records["written"] + 1 == data_size(client)
    assert client.get("4321") == b"old"


def test_fail_on_the_command_line_is_exit_code_5(real_server: RealServer, file: Path) -> None:
    real_server.client().set("0", "old")
    options = ("--if-exists", "fail", "--progress", "none")
    ended = run_cli("load", file, "--to", real_server.url, *options, cwd=file.parent)
    assert ended.returncode == 5
    assert ended.stderr.startswith("redis-etl: 1 rejected: see rejects-")
    assert f"\nredis-etl: stopped: record 0 of {file} (byte 0) was refused: its key exists;" in ended.stderr
    assert ended.stdout.endswith("1 rejected\n")


def test_fail_on_an_empty_server_writes_all(real_server: RealServer, file: Path) -> None:
    report = etl.load(file, to=real_server.url, if_exists="fail", progress="none")
    assert report.records["written"] == len(LINES)
    assert held(real_server.client(), len(LINES)) == LINES
