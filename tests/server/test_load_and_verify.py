"""Load and verify with real worker processes and a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import etl
from tests.server.inputs import held, many_lines, write
from tests.support import RealServer, data_size, run_cli

LINES = many_lines(8_000, 500)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("input") / "lines.txt", LINES)


def in_process(verb: str, file: Path, url: str, workers: int, split: str, method: str) -> dict[str, Any]:
    options = {"workers": workers, "split": split, "start_method": method}
    report = getattr(etl, verb)(file, to=url, progress="none", **options)
    assert report.exit_code == 0
    return dict(report.as_dict())


def by_command(verb: str, file: Path, url: str, workers: int, split: str, method: str) -> dict[str, Any]:
    options = ("--workers", str(workers), "--split", split, "--start-method", method)
    anew = method == "spawn" and verb == "load"  # to start workers in earnest takes a second
    ended = run_cli(verb, file, "--to", url, *options, "--json", fresh=anew)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


# A process with threads, as this one may be, must not fork: the command line does.
RUNS = {"fork": by_command, "forkserver": in_process, "spawn": by_command}


EVERY_RUN = [
    (1, "block", "fork"),
    (2, "block", "fork"),
    (8, "record", "fork"),
    (1, "record", "forkserver"),
    (3, "block", "forkserver"),
    (2, "record", "spawn"),
]
"""Every start method with both splits and several numbers of workers, not each with each."""


@pytest.mark.parametrize(("workers", "split", "method"), EVERY_RUN)
def test_every_line_is_a_key_and_is_found_again(
    file: Path, real_server: RealServer, workers: int, split: str, method: str
) -> None:
    loaded = RUNS[method]("load", file, real_server.url, workers, split, method)
    assert loaded["status"] == "complete"
    assert loaded["records"] == {"read": len(LINES), "written": len(LINES), "skipped": 0, "rejected": 0}
    assert loaded["bytes"] == file.stat().st_size
    assert len(loaded["workers"]) == workers
    assert sum(worker["records"] for worker in loaded["workers"]) == len(LINES)
    assert all(worker["records"] for worker in loaded["workers"])
    assert held(real_server.client(), len(LINES)) == LINES

    verified = RUNS[method]("verify", file, real_server.url, workers, split, method)
    assert verified["records"] == {
        "read": len(LINES),
        "equal": len(LINES),
        "missing": 0,
        "different": 0,
        "rejected": 0,
    }
    assert verified["examples"] == []


def test_splitting_by_record_gives_worker_i_every_nth_record(file: Path, real_server: RealServer) -> None:
    report = etl.load(file, to=real_server.url, workers=7, split="record", progress="none")
    assert [worker.records for worker in report.workers] == [len(LINES[i::7]) for i in range(7)]


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_missing_and_different_is_counted_and_shown(
    file: Path, real_server: RealServer, workers: int
) -> None:
    etl.load(file, to=real_server.url, progress="none")
    client = real_server.client()
    missing = [3, 100, len(LINES) - 1]
    different = [0, 5, 2_000, 6_001]
    client.delete(*map(str, missing))
    client.mset({str(number): b"changed" for number in different})
    client.rpush("12", "a list") if client.delete("12") else None
    report = etl.verify(file, to=real_server.url, workers=workers, progress="none")
    assert report.exit_code == 1
    assert report.records == {
        "read": len(LINES),
        "equal": len(LINES) - 8,
        "missing": 4,  # MGET gives nil for a key that is no string
        "different": 4,
        "rejected": 0,
    }
    assert [example.record for example in report.examples][:5] == [0, 3, 5, 12, 100]
    first = report.examples[0]
    assert (first.key, first.expected, first.found) == (b"0", LINES[0], b"changed")
    assert report.examples[1].found is None


@pytest.mark.parametrize("template", ["train:{#}", "{{{#}}}", "a{#}b{#}", "ключ:{#}"])
def test_the_key_follows_its_template(file: Path, real_server: RealServer, template: str) -> None:
    etl.load(file, to=real_server.url, key=template, workers=2, progress="none")
    plain = template.replace("{#}", "{0}")
    assert held(real_server.client(), len(LINES), plain) == LINES
    assert etl.verify(file, to=real_server.url, key=template, progress="none").exit_code == 0
    assert etl.verify(file, to=real_server.url, key="other:{#}", progress="none").exit_code == 1


def test_the_line_itself_can_be_the_key(real_server: RealServer, tmp_path: Path) -> None:
    file = write(tmp_path / "words.txt", [b"one", b"two", b"three", b"one"])
    report = etl.load(file, to=real_server.url, key="word:{line}", progress="none")
    assert report.records["written"] == 4
    assert data_size(real_server.client()) == 3
    assert real_server.client().get("word:two") == b"two"
    assert etl.verify(file, to=real_server.url, key="word:{line}", progress="none").exit_code == 0


def test_loading_again_changes_nothing(file: Path, real_server: RealServer) -> None:
    for _ in range(2):
        report = etl.load(file, to=real_server.url, workers=2, restart=True, progress="none")
        assert report.records["written"] == len(LINES)
    assert held(real_server.client(), len(LINES)) == LINES


def test_strip_takes_white_space_off_both_ends(real_server: RealServer, tmp_path: Path) -> None:
    file = write(tmp_path / "spaces.txt", [b"  a b\t", b"\x0c\x0b", b"", "\u3000ü\u00a0".encode(), b" \xff "])
    etl.load(file, to=real_server.url, strip=True, progress="none")
    assert held(real_server.client(), 5) == [b"a b", b"", b"", "ü".encode(), b"\xff"]
    assert etl.verify(file, to=real_server.url, strip=True, progress="none").exit_code == 0
    assert etl.verify(file, to=real_server.url, progress="none").records["different"] == 4
