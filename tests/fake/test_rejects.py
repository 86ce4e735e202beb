"""Records that cannot be parsed: each is a reject with its place and bytes, and costs no neighbour."""

from __future__ import annotations

import base64
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.errors import RejectedError
from tests.fake.loaded import called, report_of
from tests.support import FakeServer, data_keys, data_size, run_cli
from tests.support.people import hashes
from tests.unit.source.streams import compress


@dataclass(frozen=True)
class Bad:
    """A file whose records ``bad`` (number, raw bytes, reason) are malformed; the others are loaded."""

    name: str
    content: bytes
    bad: tuple[tuple[int, bytes, str], ...]
    good: tuple[int, ...]


CASES = {
    "csv-fields": Bad(
        "x.csv",
        b'id,name\r\n0,a\r\n1,b,c\r\n2\r\n3,"d\r\nd"\r\n4,"e"\r\n',
        ((1, b"1,b,c", "it has 3 fields instead of 2"), (2, b"2", "it has 1 field instead of 2")),
        (0, 3, 4),
    ),
    "csv-quote": Bad(
        "x.csv",
        b'id,name\n0,a\n1,b\n2,"never\nclosed,\nx',
        ((2, b'2,"never\nclosed,\nx', "a quote is opened and never closed"),),
        (0, 1),
    ),
    "tsv": Bad(
        "x.tsv", b"id\tname\n0\ta\n1 b\n2\tc\n", ((1, b"1 b", "it has 1 field instead of 2"),), (0, 2)
    ),
    "jsonl": Bad(
        "x.jsonl",
        b'{"id": 0}\n\n{"id": 1\n[2]\n{"id": NaN}\n{"id": 4}\n"5"\n{"id": "\\ud800"}\n{"id": "\xff"}\n{"id": 8}\n',  # noqa: E501
        (
            (1, b'{"id": 1', "it is not JSON: "),
            (2, b"[2]", "it is no JSON object but an array"),
            (3, b'{"id": NaN}', "it is not JSON: the literal NaN at column 8"),
            (5, b'"5"', "it is no JSON object but a string"),
            (6, b'{"id": "\\ud800"}', "it holds \\ud800, half of a surrogate pair: no text"),
            (7, b'{"id": "\xff"}', "it is not UTF-8 at byte 9 of it"),
        ),
        (0, 4, 8),
    ),
    "jsonl-deep": Bad(
        "x.jsonl",
        b'{"id": 0}\n{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b'}\n{"id": 2}\n',
        ((1, b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested deeper than 256 levels"),),
        (0, 2),
    ),
    "json": Bad(
        "x.json",
        b'[{"id": 0}, {"id" 1}, {"id": 2},\n 3, {"id": 4}]',
        ((1, b'{"id" 1}', "it is not JSON: "), (3, b"3", "it is no JSON object but a number")),
        (0, 2, 4),
    ),
    "missing-field": Bad(
        "x.jsonl",
        b'{"id": 0}\n{"ID": 1}\n{"id": null}\n{"id": 3}\n',
        ((1, b'{"ID": 1}', "it has no field {id}"), (2, b'{"id": null}', "it has no field {id}")),
        (0, 3),
    ),
}


def rejects_in(path: Path) -> list[dict[str, Any]]:
    """Return the rejects of a file by their number; its own bytes back from base64."""
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    for reject in rejects:
        reject["raw"] = (
            base64.b64decode(reject.pop("raw_base64")) if "raw_base64" in reject else reject["raw"].encode()
        )
    return sorted(rejects, key=lambda reject: int(reject["record"]))


WAYS = [("1", "block"), ("2", "block"), ("3", "record")]
PLAIN_OR_NOT = [*((name, way, False) for name in CASES for way in WAYS),
                *((name, WAYS[at % 3], True) for at, name in enumerate(CASES))]  # fmt: skip
"""What reads a format reads what is decompressed: each one once, each way to share the work twice."""


@pytest.mark.parametrize(
    ("name", "way", "compressed"),
    PLAIN_OR_NOT,
    ids=["-".join((name, *way, "gzip" if gzip else "plain")) for name, way, gzip in PLAIN_OR_NOT],
)
def test_a_bad_record_is_a_reject_with_its_place_and_bytes_and_costs_no_neighbour(
    tmp_path: Path, fake_server: FakeServer, name: str, way: tuple[str, str], compressed: bool
) -> None:
    case = CASES[name]
    workers, split = way
    path = tmp_path / (case.name + (".gz" if compressed else ""))
    path.write_bytes(compress("gzip", case.content) if compressed else case.content)
    rejects = tmp_path / "rejects.jsonl"
    argv = (path, "--to", fake_server.url, "--key", "p:{id}", "--workers", workers, "--split", split)
    more = ("--max-rejects", str(len(case.bad)), "--rejects", rejects)
    report = report_of("load", *argv, *more, code=1)
    read = len(case.bad) + len(case.good)
    assert report["status"] == "complete"
    assert report["records"] == {
        "read": read,
        "written": len(case.good),
        "skipped": 0,
        "rejected": len(case.bad),
    }
    assert set(hashes(fake_server.client())) == {b"p:%d" % n for n in case.good}

    found = rejects_in(rejects)
    assert [(reject["record"], reject["raw"]) for reject in found] == [(n, raw) for n, raw, _ in case.bad]
    for reject, (_, raw, reason) in zip(found, case.bad, strict=True):
        assert set(reject) == {"file", "record", "offset", "reason", "raw"}
        assert reject["file"] == str(path)
        assert reject["reason"].startswith(reason)
        assert reject["offset"] == case.content.index(raw)
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600


def test_numbers_and_files_of_rejects_are_counted_through_all_files(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    for index in range(3):
        (tmp_path / f"{index}.csv").write_text("id,name\n1,a\nbad\n2,b\n")
    rejects = tmp_path / "rejects.jsonl"
    argv = (
        "load",
        tmp_path / "*.csv",
        "--to",
        fake_server.url,
        "--key",
        "{#}",
        "--rejects",
        rejects,
        "--workers",
        "2",
    )
    report_of(*argv, "--max-rejects", "3", code=1)
    assert [(one["file"], one["record"], one["offset"]) for one in rejects_in(rejects)] == [
        (str(tmp_path / f"{index}.csv"), 3 * index + 1, len("id,name\n1,a\n")) for index in range(3)
    ]
    assert set(data_keys(fake_server.client())) == {b"0", b"2", b"3", b"5", b"6", b"8"}


# How many are allowed


@pytest.fixture
def ten_of_hundred(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("id,name\n" + "".join("bad\n" if n % 10 == 9 else f"{n},a\n" for n in range(100)))
    return path


@pytest.mark.parametrize(
    ("allowed", "code"),
    [("10", 1), ("11", 1), ("100%", 1), ("10%", 1), ("9", 5), ("0", 5), ("9%", 5), ("9.9%", 5)],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_so_many_rejects_are_allowed_in_records_or_percent(
    ten_of_hundred: Path, fake_server: FakeServer, tmp_path: Path, allowed: str, code: int, workers: str
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    argv = ("load", ten_of_hundred, "--to", fake_server.url, "--key", "{id}", "--workers", workers)
    report = report_of(*argv, "--max-rejects", allowed, "--rejects", rejects, code=code)
    records = report["records"]
    assert report["status"] == ("complete" if code == 1 else "incomplete")
    assert records["read"] == records["written"] + records["skipped"] + records["rejected"]
    assert records["rejected"] == len(rejects_in(rejects))
    if code == 1 or allowed.endswith("%"):
        assert (records["read"], records["written"]) == (100, 90)
    assert data_size(fake_server.client()) == records["written"]


def test_by_default_the_first_reject_stops_the_run_and_says_where_it_stands(
    ten_of_hundred: Path, fake_server: FakeServer, tmp_path: Path
) -> None:
    argv = ("load", ten_of_hundred, "--to", fake_server.url, "--key", "{#}", "--workers", "1")
    done = run_cli(*argv, cwd=tmp_path)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1] == (
        f"redis-etl: stopped: record 9 of {ten_of_hundred} (byte {len('id,name') + 1 + 9 * 4}) was refused:"
        " it has 1 field instead of 2; 0 rejects are allowed (--max-rejects)"
    )
    (rejects,) = tmp_path.glob("rejects-x-*.jsonl")  # the default name has the job's
    assert rejects_in(rejects)[0]["record"] == 9


def test_the_api_raises_and_has_the_report(
    ten_of_hundred: Path, fake_server: FakeServer, tmp_path: Path
) -> None:
    with pytest.raises(RejectedError, match="record 9 of") as caught:
        etl.load(ten_of_hundred, to=fake_server.url, key="{#}", rejects=tmp_path / "r", progress="none")
    assert caught.value.report is not None
    assert caught.value.report.records["rejected"] == 10  # those of its block
    report = etl.load(
        ten_of_hundred, to=fake_server.url, key="{#}", max_rejects=10, rejects=tmp_path / "r", progress="none"
    )
    assert report.exit_code == 1
    assert len(rejects_in(tmp_path / "r")) == 10


@pytest.mark.parametrize("allowed", ["-1", "x", "101%", "-1%", "1.5", "%", ""])
def test_an_allowance_that_cannot_be_is_a_usage_error(
    ten_of_hundred: Path, fake_server: FakeServer, allowed: str
) -> None:
    done = called("load", ten_of_hundred, "--to", fake_server.url, f"--max-rejects={allowed}")
    assert done.returncode == 2
    assert "--max-rejects" in done.stderr


def test_a_run_without_rejects_leaves_no_file_and_takes_an_old_one_away(
    fake_server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("id\n1\n")
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("of an earlier run\n")
    report_of("load", tmp_path / "x.csv", "--to", fake_server.url, "--key", "{#}", "--rejects", rejects)
    assert not rejects.exists()


def test_rejects_that_cannot_be_written_end_the_run(
    ten_of_hundred: Path, fake_server: FakeServer, tmp_path: Path
) -> None:
    done = called(
        *("load", ten_of_hundred, "--to", fake_server.url, "--key", "{#}", "--max-rejects", "100%"),
        *("--rejects", tmp_path / "missing" / "rejects.jsonl"),
    )
    assert done.returncode == 3
    assert "cannot write rejects to" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_objects_that_are_no_records_are_rejects(fake_server: FakeServer, tmp_path: Path) -> None:
    some: list[Any] = [{"id": 1}, "text", {"id": object}, {"id": 4}]
    report = etl.load(
        some, to=fake_server.url, max_rejects=2, rejects=tmp_path / "r", key="{id}", progress="none"
    )
    assert report.records == {"read": 4, "written": 2, "skipped": 0, "rejected": 2}
    assert [(one["record"], one["file"], one["offset"]) for one in rejects_in(tmp_path / "r")] == [
        (1, "the list", None),
        (2, "the list", None),
    ]


# What was refused is corrected and loaded again: as the README has it.


def test_rejects_load_again_by_their_raw_text(fake_server: FakeServer, tmp_path: Path) -> None:
    """``jq -r .raw rejects.jsonl | sed ... | redis-etl load - --format csv --fields id,name``."""
    (tmp_path / "x.csv").write_text("id,name\n1,Ada\n2;Bob\n3;Cy\n")
    rejects = tmp_path / "rejects.jsonl"
    argv = ("--to", fake_server.url, "--key", "p:{id}")
    report_of("load", tmp_path / "x.csv", *argv, "--max-rejects", "2", "--rejects", rejects, code=1)
    raws = "".join(json.loads(line)["raw"] + "\n" for line in rejects.read_text().splitlines())
    done = run_cli(
        *("load", "-", "--format", "csv", "--fields", "id,name", *argv), input=raws.replace(";", ",")
    )
    assert done.returncode == 0, done.stderr
    assert hashes(fake_server.client()) == {
        b"p:%d" % n: {b"id": b"%d" % n, b"name": name} for n, name in ((1, b"Ada"), (2, b"Bob"), (3, b"Cy"))
    }


def test_the_reject_file_itself_is_jsonl_that_loads(fake_server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": 1}\n{"id": 2\n')
    rejects = tmp_path / "rejects.jsonl"
    report_of(
        *("load", tmp_path / "x.jsonl", "--to", fake_server.url, "--key", "{id}"),
        *("--max-rejects", "1", "--rejects", rejects),
        code=1,
    )
    report_of(
        "load",
        rejects,
        "--to",
        fake_server.url,
        "--key",
        "bad:{record}",
        "--as",
        "string",
        "--value",
        "{raw}",
    )
    assert fake_server.client().get("bad:1") == b'{"id": 2'


def test_verify_counts_what_the_load_refused(
    ten_of_hundred: Path, fake_server: FakeServer, tmp_path: Path
) -> None:
    argv = (ten_of_hundred, "--to", fake_server.url, "--key", "{id}", "--max-rejects", "10")
    report_of("load", *argv, "--rejects", tmp_path / "r", code=1)
    before = sorted(os.listdir(tmp_path))
    report = report_of("verify", *argv, "--rejects", tmp_path / "r", code=1)
    assert report["records"] == {"read": 100, "equal": 90, "missing": 0, "different": 0, "rejected": 10}
    assert sorted(os.listdir(tmp_path)) == before
    assert len(rejects_in(tmp_path / "r")) == 10


def test_a_bomb_of_one_line_is_a_reject_of_which_the_beginning_is_kept(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    text = b"first\n" + b"x" * 5_000_000 + b"\nlast\n"
    (tmp_path / "bomb.txt.gz").write_bytes(compress("gzip", text))
    (tmp_path / "bomb.txt").write_bytes(text)
    for name in ("bomb.txt.gz", "bomb.txt"):
        out = tmp_path / f"{name}.jsonl"
        call = ("load", tmp_path / name, "--to", fake_server.url, "--max-record", "1MB", "--rejects", out)
        done = called(*call)
        assert done.returncode == 5
        assert "record 1 of" in done.stderr
        assert (
            "(byte 6) was refused: it takes 5,000,001 bytes, more than --max-record allows (1.0 MB)"
            in done.stderr
        )
        report_of(*call, "--max-rejects", "1", "--restart", "--key", f"{name}:{{#}}", code=1)
        (reject,) = map(json.loads, out.read_text().splitlines())
        assert (reject["record"], reject["offset"]) == (1, 6)
        assert reject["reason"].endswith("; the first 65,536 bytes are kept here")
        assert reject["raw"] == "x" * 65_536
        assert fake_server.client().mget(f"{name}:0", f"{name}:1", f"{name}:2") == [b"first", None, b"last"]
