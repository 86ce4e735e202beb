"""Formats through the command line: dialects, what is empty, and what cannot be the format.

That every format arrives as Python reads it is the matter of ``tests/server/test_formats.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import etl
from tests.cases import cases
from tests.fake.loaded import all_of, called, numbered, report_of
from tests.support import REPO, FakeServer, data_size, people, run_cli
from tests.support.people import TEXT_SUFFIXES
from tests.unit.source.streams import compress

PEOPLE = people.people(60)


@pytest.mark.parametrize("suffix", TEXT_SUFFIXES)
def test_the_format_said_outdoes_the_name(tmp_path: Path, fake_server: FakeServer, suffix: str) -> None:
    path = people.write(tmp_path / f"people{suffix}", PEOPLE)
    renamed = path.rename(tmp_path / "people.data")
    report_of("load", renamed, "--to", fake_server.url, "--format", suffix[1:], "--key", "p:{id}")
    assert fake_server.client().hget("p:7", "city") == b"Bonn"


def test_files_of_two_formats_are_not_loaded_together(tmp_path: Path, fake_server: FakeServer) -> None:
    for suffix in (".csv", ".jsonl"):
        people.write(tmp_path / f"people{suffix}", PEOPLE)
    done = called("load", tmp_path, "--to", fake_server.url)
    assert done.returncode == 2
    assert "is csv by its name and" in done.stderr


# CSV of any kind


@cases(
    ("text", "options", "expected"),
    [
        (b"1,Ada\n2,Bob\n", ("--fields", "id,name"), {b"id": b"2", b"name": b"Bob"}),
        (b"1,Ada\n2,Bob\n", ("--no-header",), {b"1": b"2", b"2": b"Bob"}),
        (b"id;name\n1;Ada\n2;B,ob\n", ("--delimiter", ";"), {b"id": b"2", b"name": b"B,ob"}),
        (b"id\tname\n1\tAda\n2\tBob\n", ("--delimiter", "\\t"), {b"id": b"2", b"name": b"Bob"}),
        (b"id,name\n1,'A,da'\n2,'B''ob'\n", ("--quote", "'"), {b"id": b"2", b"name": b"B'ob"}),
        (b'id,name\n1,"A\n2,"Bob"\n', ("--quote", ""), {b"id": b"2", b"name": b'"Bob"'}),
        (b"\xef\xbb\xbfid,name\r\n1,Ada\r\n2,Bob", (), {b"id": b"2", b"name": b"Bob"}),
        (b"id,name\n\n1,Ada\n\n\n2,\n", (), {b"id": b"2", b"name": b""}),
    ],
)
def test_csv_of_any_dialect(
    tmp_path: Path,
    fake_server: FakeServer,
    text: bytes,
    options: tuple[str, ...],
    expected: dict[bytes, bytes],
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text)
    report = report_of("load", path, "--to", fake_server.url, "--key", "{#}", *options)
    assert report["records"]["written"] == 2
    assert fake_server.client().hgetall("1") == expected


# What is empty


EMPTY: dict[str, bytes] = {
    "x.txt": b"",
    "x.csv": b"",
    "header.csv": b"id,name\n",
    "x.tsv": b"",
    "x.jsonl": b"",
    "blank.jsonl": b"\n \n",
    "array.json": b"[]",
    "x.txt.gz": compress("gzip", b""),
    "x.csv.zst": compress("zstd", b"id,name\r\n"),
    "x.jsonl.xz": compress("xz", b""),
}


@cases(
    ("name", "workers"),
    [*((name, "1") for name in EMPTY), ("header.csv", "2"), ("array.json", "2"), ("x.csv.zst", "2")],
)
def test_an_empty_file_is_no_records_and_a_good_end(
    tmp_path: Path, fake_server: FakeServer, name: str, workers: str
) -> None:
    (tmp_path / name).write_bytes(EMPTY[name])
    argv = (tmp_path / name, "--to", fake_server.url, "--key", "{#}", "--workers", workers)
    assert report_of("load", *argv)["records"]["read"] == 0
    assert report_of("verify", *argv)["records"]["read"] == 0
    assert data_size(fake_server.client()) == 0


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrow-stream"])
def test_a_table_without_records_is_no_records_and_a_good_end(
    tmp_path: Path, fake_server: FakeServer, kind: str
) -> None:
    table = pa.table({"id": pa.array([], pa.int64())})
    path = tmp_path / f"x.{kind.partition('-')[0]}"
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with (pa.ipc.new_stream if kind == "arrow-stream" else pa.ipc.new_file)(path, table.schema) as writer:
            writer.write_table(table)
    argv = ("load", path, "--to", fake_server.url, "--key", "{#}")
    assert report_of(*argv)["records"]["read"] == 0


def test_no_rows_and_no_dicts_are_no_records(fake_server: FakeServer) -> None:
    nothing: list[Any] = [[], iter([]), pa.table({"id": pa.array([], pa.int64())})]
    for source in nothing:
        assert etl.load(source, to=fake_server.url, key="{#}", progress="none").records["read"] == 0
    report = etl.load(sql="SELECT 1 AS id WHERE false", to=fake_server.url, key="{#}", progress="none")
    assert report.records["read"] == 0


def test_an_empty_standard_input_is_no_records(fake_server: FakeServer) -> None:
    for name in ("lines", "jsonl"):
        argv = ("load", "-", "--format", name, "--to", fake_server.url, "--key", "{#}")
        done = run_cli(*argv, input="")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "0 read = 0 written + 0 skipped + 0 rejected",
        )


# What cannot be the format at all


@cases(
    ("name", "content", "says"),
    [
        ("x.json", b"", "x.json"),
        ("x.json", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("x.json", b"plain text", "x.json"),
        ("x.json", b'[{"a": 1}, {"a": 2}', "was the file cut off?"),
        ("x.csv", "id,name\n1,Ada\n".encode("utf-16"), "UTF-16"),
        ("x.jsonl", '{"a": 1}\n'.encode("utf-16"), "UTF-16"),
        ("x.csv", b"id,id\n1,2\n", "more than one field is named 'id'"),
        ("x.parquet", b"", "is empty"),
        ("x.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("x.arrow", b"", "is empty"),
        ("x.arrow", b"ARROW1\0\0 and no more", "x.arrow"),
        ("x.arrow", b"id,name\n1,2\n", "x.arrow"),
        ("x.csv.gz", b"id,name\n1,2\n", "x.csv.gz"),
        ("x.csv.zst", compress("gzip", b"id,name\n1,2\n"), "x.csv.zst"),
        ("x.parquet.gz", b"", "compressed inside"),
    ],
)
def test_what_cannot_be_the_format_is_one_sentence(
    tmp_path: Path, fake_server: FakeServer, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = called("load", tmp_path / name, "--to", fake_server.url, "--key", "{#}")
    assert done.returncode == (2 if "compressed inside" in says else 3), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("redis-etl: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert name in done.stderr
    assert data_size(fake_server.client()) <= 2


MEASURES_ITSELF = """
import sys
from etl.cli.main import main
code = main(sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1000, file=sys.stderr)
sys.exit(code)
"""
# Not getrusage: its peak has that of the process which started this one in it.


def test_a_bomb_takes_bounded_memory(tmp_path: Path, fake_server: FakeServer) -> None:
    """A megabyte of gzip that is a gigabyte of zeros: a CSV file whose header never ends."""
    member = compress("gzip", b"0" * 50_000_000)
    (tmp_path / "bomb.csv.gz").write_bytes(member * 20)
    done = subprocess.run(
        [
            *(sys.executable, "-c", MEASURES_ITSELF, "load", tmp_path / "bomb.csv.gz"),
            *("--to", fake_server.url, "--key", "{#}"),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 3, done.stderr
    sentence, megabytes = done.stderr.splitlines()
    assert "the first record has no end in" in sentence
    assert int(megabytes) < 700, megabytes


# Values of a JSON file, whatever they are


def test_lines_that_are_json_can_be_loaded_as_lines_too(tmp_path: Path, fake_server: FakeServer) -> None:
    texts = [b'{"a": 1}', b"not json", b"{}"]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(texts))
    report_of("load", tmp_path / "x.jsonl", "--format", "lines", "--to", fake_server.url)
    assert all_of(fake_server.client()) == numbered(texts)


def test_json_text_of_lines_is_an_object(tmp_path: Path, fake_server: FakeServer) -> None:
    (tmp_path / "x.txt").write_bytes(b'say "hi"\n')
    report_of("load", tmp_path / "x.txt", "--value", "{json}", "--to", fake_server.url)
    assert json.loads(all_of(fake_server.client())[b"0"]) == {"line": 'say "hi"'}
