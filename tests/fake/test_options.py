"""What each option does to the keys, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.fake.loaded import all_of, called, numbered, report_of, some_lines, write
from tests.support import FakeServer, RealServer, data_size, run_cli

JSON_KEYS = {"status", "records", "bytes", "seconds", "rate", "resumed_from", "workers", "job", "target"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "train.txt", [b"a", b"b", b"c"])


def test_keys_that_are_there_are_replaced_by_default(path: Path, fake_server: FakeServer) -> None:
    fake_server.client().set("1", "old")
    report = report_of("load", path, "--to", fake_server.url)
    assert report["records"] == {"read": 3, "written": 3, "skipped": 0, "rejected": 0}
    assert all_of(fake_server.client()) == {b"0": b"a", b"1": b"b", b"2": b"c"}


@pytest.mark.parametrize("more", [(), ("--ttl", "100")])
def test_skip_leaves_keys_that_are_there_alone(
    path: Path, fake_server: FakeServer, more: tuple[str, ...]
) -> None:
    client = fake_server.client()
    client.set("1", "old")
    report = report_of("load", path, "--to", fake_server.url, "--if-exists", "skip", *more)
    assert report["records"] == {"read": 3, "written": 2, "skipped": 1, "rejected": 0}
    assert all_of(client) == {b"0": b"a", b"1": b"old", b"2": b"c"}
    assert client.ttl("1") == -1


def test_fail_ends_the_run_with_5_and_names_the_record(path: Path, real_server: RealServer) -> None:
    client = real_server.client()
    client.set("1", "old")
    done = called("load", path, "--to", real_server.url, "--if-exists", "fail", "--json")
    assert done.returncode == 5
    assert "record 1 of " in done.stderr
    assert "its key exists" in done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == "incomplete"
    assert client.get("1") == b"old"
    records = report["records"]
    assert records["read"] == records["written"] + records["skipped"] + records["rejected"]
    assert records["rejected"] == 1


def test_ttl_lets_the_keys_expire_and_a_load_without_it_does_not(path: Path, fake_server: FakeServer) -> None:
    client = fake_server.client()
    report_of("load", path, "--to", fake_server.url, "--ttl", "1.5")
    assert all(0 < client.pttl(key) <= 1500 for key in ("0", "1", "2"))
    report_of("load", path, "--to", fake_server.url)
    assert [client.ttl(key) for key in ("0", "1", "2")] == [-1, -1, -1]


@pytest.mark.parametrize(
    ("template", "keys"),
    [
        ("train:{#}", [b"train:0", b"train:1", b"train:2"]),
        ("{line}", [b"a", b"b", b"c"]),
        ("{{t}}:{line}:{#}", [b"{t}:a:0", b"{t}:b:1", b"{t}:c:2"]),
        ("ключ {#}", ["ключ 0".encode(), "ключ 1".encode(), "ключ 2".encode()]),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_key_is_the_template_filled_in(
    path: Path, fake_server: FakeServer, template: str, keys: list[bytes], workers: str
) -> None:
    report_of("load", path, "--to", fake_server.url, "--key", template, "--workers", workers)
    assert all_of(fake_server.client()) == dict(zip(keys, [b"a", b"b", b"c"], strict=True))


def test_strip_takes_white_space_off_and_without_it_every_byte_stays(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    lines = [b"  a ", b"\tb\x0b", "\u00a0c\u2003".encode(), b" \xff ", b"   ", b"d\r"]
    path = write(tmp_path / "padded.txt", lines, end=b"\r\n")
    report_of("load", path, "--to", fake_server.url)
    assert all_of(fake_server.client()) == numbered(lines)
    report_of("load", path, "--to", fake_server.url, "--strip", "--workers", "2")
    assert all_of(fake_server.client()) == numbered([b"a", b"b", b"c", b"\xff", b"", b"d"])
    assert report_of("verify", path, "--to", fake_server.url, "--strip")["records"]["equal"] == 6


def test_the_database_of_the_url_is_the_one_loaded_into(path: Path, fake_server: FakeServer) -> None:
    url = f"redis://127.0.0.1:{fake_server.port}/3"
    assert report_of("load", path, "--to", url)["target"] == url
    assert data_size(fake_server.client()) == 0
    with Redis.from_url(url) as client:
        assert data_size(client) == 3


def test_the_environment_names_the_target_and_the_option_outdoes_it(
    path: Path, fake_server: FakeServer
) -> None:
    report = report_of("load", path, env={"REDIS_URL": fake_server.url})
    assert report["target"] == fake_server.url
    report_of("load", path, "--to", fake_server.url, env={"REDIS_URL": "redis://127.0.0.1:1"})


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("verb", ["load", "verify"])
def test_an_empty_file_is_no_records_and_a_good_end(
    tmp_path: Path, fake_server: FakeServer, verb: str, workers: str
) -> None:
    path = write(tmp_path / "empty.txt", [])
    report = report_of(verb, path, "--to", fake_server.url, "--workers", workers, "--split", "record")
    assert (report["status"], report["records"]["read"], report["bytes"]) == ("complete", 0, 0)
    assert len(report["workers"]) == int(workers)


@pytest.mark.parametrize(
    ("verb", "more"),
    [("load", {"rejects"}), ("verify", {"examples", "differences_not_shown", "differences"})],
)
def test_the_json_report_has_its_keys(path: Path, fake_server: FakeServer, verb: str, more: set[str]) -> None:
    report = report_of("load", path, "--to", fake_server.url, "--workers", "2")
    if verb == "verify":
        report = report_of("verify", path, "--to", fake_server.url, "--workers", "2")
    assert set(report) == JSON_KEYS | more
    assert {frozenset(worker) for worker in report["workers"]} == {
        frozenset({"records", "blocks", "seconds"})
    }
    assert report["resumed_from"] is None
    assert 0 < report["seconds"] < 60
    assert all(0 <= worker["seconds"] <= report["seconds"] for worker in report["workers"])


def test_the_job_has_one_name_for_load_and_verify_and_another_for_another_key(
    path: Path, fake_server: FakeServer
) -> None:
    jobs = [
        report_of(verb, path, "--to", fake_server.url, "--key", key, code=code)["job"]
        for verb, key, code in (("load", "{#}", 0), ("verify", "{#}", 0), ("verify", "x{#}", 1))
    ]
    assert jobs[0] == jobs[1] != jobs[2]
    assert jobs[0].startswith("train-")


def test_the_summary_reconciles_and_is_all_that_stdout_has(path: Path, fake_server: FakeServer) -> None:
    done = called("load", path, "--to", fake_server.url)
    assert done.returncode == 0
    first, last = done.stdout.splitlines()
    assert last == "3 read = 3 written + 0 skipped + 0 rejected"
    assert fake_server.url in first
    assert done.stderr == ""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_bar_goes_to_stderr_and_ends_at_100_percent(
    path: Path, fake_server: FakeServer, workers: str
) -> None:
    done = run_cli("load", path, "--to", fake_server.url, "--progress", "bar", "--workers", workers)
    assert done.returncode == 0
    assert "100%" in done.stderr.replace("\r", "\n").splitlines()[-1]
    assert "3 records" in done.stderr
    assert "%" not in done.stdout


# Verify


def test_verify_finds_what_is_missing_and_different_and_shows_examples(
    path: Path, fake_server: FakeServer
) -> None:
    report_of("load", path, "--to", fake_server.url)
    client = fake_server.client()
    client.delete("0")
    client.set("2", "C")
    for workers in ("1", "2"):
        done = called("verify", path, "--to", fake_server.url, "--workers", workers)
        assert (done.returncode, done.stderr) == (1, "")
        missing, different, _, last = done.stdout.splitlines()
        assert missing == "record 0, key '0' is missing, the source has 'a'"
        assert different == "record 2, key '2' holds 'C', the source has 'c'"
        assert last == "3 read = 1 equal + 1 missing + 1 different + 0 rejected"


def test_verify_has_its_differences_in_json(path: Path, fake_server: FakeServer) -> None:
    report_of("load", path, "--to", fake_server.url)
    fake_server.client().set("1", b"\xff")
    report = report_of("verify", path, "--to", fake_server.url, code=1)
    assert report["status"] == "complete"
    assert report["examples"] == [{"record": 1, "key": "1", "expected": "b", "found": "\\xff"}]


def test_verify_finds_a_key_of_another_type(path: Path, fake_server: FakeServer) -> None:
    report_of("load", path, "--to", fake_server.url)
    client = fake_server.client()
    client.delete("1")
    client.hset("1", "field", "value")
    report = report_of("verify", path, "--to", fake_server.url, code=1)
    assert report["records"] == {"read": 3, "equal": 2, "missing": 1, "different": 0, "rejected": 0}


def test_verify_counts_every_difference_and_shows_a_few(tmp_path: Path, fake_server: FakeServer) -> None:
    path = write(tmp_path / "many.txt", some_lines(2000))
    report: dict[str, Any] = report_of("verify", path, "--to", fake_server.url, "--workers", "2", code=1)
    assert report["records"] == {"read": 2000, "equal": 0, "missing": 2000, "different": 0, "rejected": 0}
    assert [example["record"] for example in report["examples"]] == [0, 1, 2, 3, 4]
    assert report["differences_not_shown"] == 1995


def test_verify_changes_nothing(path: Path, fake_server: FakeServer) -> None:
    fake_server.client().set("1", "old")
    report_of("verify", path, "--to", fake_server.url, code=1)
    assert all_of(fake_server.client()) == {b"1": b"old"}
