"""Records that a real server refuses: exactly these are rejects, whoever was sent with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import etl
from etl.errors import RejectedError
from tests.support import RealServer, data_size, people, run_cli
from tests.support.people import SUFFIXES, hashes

COUNT = 1200


def rejects_in(path: Path) -> list[dict[str, Any]]:
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rejects, key=lambda reject: int(reject["record"]))


@pytest.mark.parametrize(("workers", "split"), [(1, "block"), (2, "record"), (3, "block")])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_key_of_another_type_is_a_reject_of_exactly_its_record(
    real_server: RealServer, tmp_path: Path, suffix: str, workers: int, split: str
) -> None:
    some = people.people(COUNT)
    path = people.write(tmp_path / f"people{suffix}", some)
    client = real_server.client()
    wrong = [0, 511, 512, 1199]
    client.mset({f"p:{n}": "a string" for n in wrong})
    options: dict[str, Any] = {
        "to": real_server.url,
        "key": "p:{id}",
        "if_exists": "merge",
        "workers": workers,
    }
    report = etl.load(
        path, **options, split=split, max_rejects=4, rejects=tmp_path / "rejects.jsonl", progress="none"
    )
    assert report.records == {"read": COUNT, "written": COUNT - 4, "skipped": 0, "rejected": 4}
    found = rejects_in(tmp_path / "rejects.jsonl")
    assert [reject["record"] for reject in found] == wrong
    content = path.read_bytes()
    for reject in found:
        assert reject["file"] == str(path)
        assert reject["reason"].startswith("WRONGTYPE")
        raw = reject["raw"].encode()
        if suffix in people.TEXT_SUFFIXES:
            assert content[reject["offset"] :].startswith(raw)
            assert len(raw) > len(some[reject["record"]]["name"])
        else:
            assert reject["offset"] is None
            assert json.loads(raw)["id"] == reject["record"]
    assert {client.get(f"p:{n}") for n in wrong} == {b"a string"}
    assert data_size(client) == COUNT
    verified = etl.verify(path, **options, progress="none")
    assert (verified.records["equal"], verified.records["different"] + verified.records["missing"]) == (
        COUNT - 4,
        4,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_score_in_a_merged_command_refuses_its_record_only(
    real_server: RealServer, tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "scores.csv"
    scores = {n: f"{n}.5" for n in range(COUNT)} | {7: "high", 600: "", 1111: "nan"}
    path.write_text("user,score\n" + "".join(f"u{n},{score}\n" for n, score in scores.items()))
    report = etl.load(
        path,
        to=real_server.url,
        as_="zset",
        key="board",
        value="{user}",
        workers=workers,
        max_rejects=3,
        rejects=tmp_path / "rejects.jsonl",
        progress="none",
    )
    assert report.records == {"read": COUNT, "written": COUNT - 3, "skipped": 0, "rejected": 3}
    found = rejects_in(tmp_path / "rejects.jsonl")
    assert [(reject["record"], reject["raw"]) for reject in found] == [
        (7, "u7,high"),
        (600, "u600,"),
        (1111, "u1111,nan"),
    ]
    assert {reject["reason"] for reject in found} == {"ERR value is not a valid float"} or {
        reject["reason"] for reject in found
    } == {"value is not a valid float"}
    assert real_server.client().zcard("board") == COUNT - 3
    assert real_server.client().zscore("board", "u1199") == 1199.5


def test_a_command_that_fails_among_several_refuses_its_record(
    real_server: RealServer, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,n\n" + "".join(f"{n},{'x' if n == 5 else n}\n" for n in range(20)))
    report = etl.load(
        path,
        to=real_server.url,
        command=["SET k:{id} {n}", "INCRBY total {n}", "SADD ids {id}"],
        max_rejects=1,
        rejects=tmp_path / "rejects.jsonl",
        progress="none",
    )
    assert report.records["rejected"] == 1
    (reject,) = rejects_in(tmp_path / "rejects.jsonl")
    assert (reject["record"], reject["raw"]) == (5, "5,x")
    assert "not an integer" in reject["reason"]
    assert real_server.client().get("total") == b"%d" % (sum(range(20)) - 5)


def test_many_records_that_are_refused_stop_the_run_at_the_allowance(
    real_server: RealServer, tmp_path: Path
) -> None:
    path = people.write(tmp_path / "people.csv", people.people(COUNT))
    real_server.client().mset({f"p:{n}": "a string" for n in range(0, COUNT, 2)})
    options: dict[str, Any] = {"to": real_server.url, "key": "p:{id}", "if_exists": "merge", "workers": 2}
    with pytest.raises(RejectedError, match="--max-rejects") as caught:
        etl.load(path, **options, max_rejects=10, rejects=tmp_path / "r", progress="none")
    report = caught.value.report
    assert report is not None
    assert report.records["read"] == report.records["written"] + report.records["rejected"]
    assert report.records["rejected"] == len(rejects_in(tmp_path / "r")) > 10
    with pytest.raises(RejectedError, match="600 of 1,200 records were rejected"):
        etl.load(path, **options, max_rejects="49%", rejects=tmp_path / "r", progress="none")
    assert len(rejects_in(tmp_path / "r")) == 600
    report = etl.load(path, **options, max_rejects="50%", rejects=tmp_path / "r", progress="none")
    assert report.exit_code == 1


def test_what_was_refused_loads_again_once_the_cause_is_gone(real_server: RealServer, tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pyarrow.parquet.write_table(people.table_of(people.people(50)).select(["id", "city"]), path)
    client = real_server.client()
    client.set("p:7", "in the way")
    rejects = tmp_path / "rejects.jsonl"
    argv = ("--to", real_server.url, "--key", "p:{id}", "--if-exists", "merge")
    done = run_cli("load", path, *argv, "--max-rejects", "1", "--rejects", rejects)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "50 read = 49 written + 0 skipped + 1 rejected"
    client.delete("p:7")
    raws = "".join(reject["raw"] + "\n" for reject in rejects_in(rejects))
    done = run_cli("load", "-", "--format", "jsonl", *argv, input=raws)
    assert done.returncode == 0, done.stderr
    assert len(hashes(client)) == 50
    assert client.hgetall("p:7") == {b"id": b"7", b"city": b"Bonn"}
