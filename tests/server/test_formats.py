"""Round trips: what was loaded in any format, read back with redis-py, is what Python's readers say."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import etl
from tests.support import RealServer, people, run_cli
from tests.support.people import SUFFIXES, TEXT_SUFFIXES, by_id, hashes, read_by_python
from tests.unit.source.streams import CODECS, SUFFIX, compress

COUNT = 400
PEOPLE = people.people(COUNT)


@dataclass(frozen=True)
class Server:
    url: str
    client: Any


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with contextlib.closing(RealServer(tmp_path_factory.mktemp("server"))) as server:
        server.start()
        yield server


@pytest.fixture
def server(running: RealServer) -> Server:
    """An empty server."""
    client = running.client()
    client.flushall()
    return Server(running.url, client)


def load(server: Server, *sources: Any, **options: Any) -> etl.Report:
    report = etl.load(*sources, **{"to": server.url, "key": "p:{id}", "progress": "none", **options})
    assert report.records["read"] == report.records["written"]
    return report


def verify(server: Server, *sources: Any, **options: Any) -> dict[str, int]:
    return etl.verify(*sources, **{"to": server.url, "key": "p:{id}", "progress": "none", **options}).records


def all_equal(count: int) -> dict[str, int]:
    return {"read": count, "equal": count, "missing": 0, "different": 0, "rejected": 0}


@pytest.mark.parametrize(("workers", "split"), [(1, "block"), (2, "record"), (3, "block")])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hashes_are_what_python_reads(
    server: Server, tmp_path: Path, suffix: str, workers: int, split: str
) -> None:
    path = people.write(tmp_path / f"people{suffix}", PEOPLE)
    report = load(server, path, workers=workers, split=split)
    assert (report.status, report.records["read"], report.bytes) == ("complete", COUNT, path.stat().st_size)
    expected = by_id(read_by_python(path))
    assert len(expected) == COUNT
    assert hashes(server.client) == expected
    assert verify(server, path, workers=workers, split=split) == all_equal(COUNT)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet", ".arrow"])
def test_the_command_line_does_the_same(server: Server, tmp_path: Path, suffix: str) -> None:
    path = people.write(tmp_path / f"people{suffix}", PEOPLE)
    argv = (path, "--to", server.url, "--key", "p:{id}", "--workers", "2", "--json")
    done = run_cli("load", *argv)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == {
        "read": COUNT,
        "written": COUNT,
        "skipped": 0,
        "rejected": 0,
    }
    assert hashes(server.client) == by_id(read_by_python(path))
    done = run_cli("verify", *argv)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_records_as_json_text_are_what_python_reads(server: Server, tmp_path: Path, suffix: str) -> None:
    path = people.write(tmp_path / f"people{suffix}", PEOPLE[:50])
    load(server, path, as_="string", value="{json}", workers=1)
    for one in read_by_python(path):
        text = server.client.get(b"p:" + one[b"id"])
        found = {name: value for name, value in json.loads(text).items() if value is not None}
        assert set(found) == {name.decode() for name in one}
        for name in ("id", "name", "city"):
            if name.encode() in one:
                assert str(found[name]).encode() == one[name.encode()]
    assert verify(server, path, as_="string", value="{json}") == all_equal(50)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("workers", "split"), [(1, "block"), (2, "record")])
def test_compressed_text_is_what_it_was(
    server: Server, tmp_path: Path, codec: str, workers: int, split: str
) -> None:
    for suffix in TEXT_SUFFIXES if codec == "gzip" else (".csv",):
        plain = people.write(tmp_path / f"people{suffix}", PEOPLE[:100])
        path = tmp_path / f"people{suffix}{SUFFIX[codec]}"
        path.write_bytes(compress(codec, plain.read_bytes()))
        server.client.flushall()
        report = load(server, path, workers=workers, split=split)
        assert report.bytes == path.stat().st_size
        assert all(worker.blocks > 1 for worker in report.workers)
        assert hashes(server.client) == by_id(read_by_python(plain))
        assert verify(server, path, workers=workers, split=split) == all_equal(100)


@pytest.mark.parametrize(
    ("suffix", "workers"), [(".csv", "1"), (".csv", "2"), (".tsv", "1"), (".jsonl", "2"), (".json", "1")]
)
def test_standard_input_is_a_source(server: Server, tmp_path: Path, suffix: str, workers: str) -> None:
    path = people.write(tmp_path / f"people{suffix}", PEOPLE)
    argv = ("-", "--format", suffix[1:], "--to", server.url, "--key", "p:{id}", "--workers", workers)
    text = path.read_bytes().decode()
    assert "\r\n" in text or suffix.startswith(".json")
    for verb, says in (("load", "400 read = 400 written"), ("verify", "400 read = 400 equal")):
        done = run_cli(verb, *argv, input=text)
        assert (done.returncode, done.stderr) == (0, done.stderr)
        assert done.stdout.splitlines()[-1].startswith(says)
    assert hashes(server.client) == by_id(read_by_python(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("workers", [2])
def test_many_files_by_folder_and_glob_are_read_in_order(
    server: Server, tmp_path: Path, suffix: str, workers: int
) -> None:
    parts = [people.people(count, first) for first, count in ((0, 30), (30, 1), (31, 60), (91, 9))]
    for index, part in enumerate(parts):
        people.write(tmp_path / "in" / f"part-{index}{suffix}", part)
    (tmp_path / "in" / "_SUCCESS").write_text("")
    expected = [
        one for index in range(4) for one in read_by_python(tmp_path / "in" / f"part-{index}{suffix}")
    ]
    for source in (tmp_path / "in", tmp_path / "in" / f"part-*{suffix}"):
        server.client.flushall()
        load(server, source, key="{#}", workers=workers)
        assert hashes(server.client) == {b"%d" % n: one for n, one in enumerate(expected)}


def test_many_compressed_files_are_read_in_order(server: Server, tmp_path: Path) -> None:
    for index in range(3):
        text = people.text_of(".csv", people.people(10, 10 * index))
        (tmp_path / f"{index}.csv.gz").write_bytes(compress("gzip", text))
    load(server, tmp_path / "*.csv.gz", key="{#}", workers=2)
    assert [server.client.hget(str(n), "id") for n in range(30)] == [b"%d" % n for n in range(30)]


# Tables that are no files


def expected_of(table: pa.Table, tmp_path: Path) -> dict[bytes, Any]:
    pyarrow.parquet.write_table(table, tmp_path / "expected.parquet")
    return by_id(read_by_python(tmp_path / "expected.parquet"))


OBJECTS = {
    "pyarrow": lambda table: table,
    "batches": lambda table: table.to_reader(max_chunksize=50),
    "pandas": lambda table: table.to_pandas(),
    "polars": lambda table: __import__("polars").from_arrow(table),
    "dicts": lambda table: table.to_pylist(),
    "generator": lambda table: iter(table.to_pylist()),
}


@pytest.mark.parametrize(("workers", "split"), [(1, "block"), (3, "record")])
@pytest.mark.parametrize("kind", OBJECTS)
def test_python_objects_are_loaded(
    server: Server, tmp_path: Path, kind: str, workers: int, split: str
) -> None:
    table = people.table_of(PEOPLE).drop_columns(["price"])  # pandas makes objects of decimals
    report = load(server, OBJECTS[kind](table), workers=workers, split=split)
    assert report.records["written"] == COUNT
    assert hashes(server.client) == expected_of(table, tmp_path)
    assert verify(server, OBJECTS[kind](table), workers=workers) == all_equal(COUNT)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_query_over_parquet_files_runs_in_duckdb(server: Server, tmp_path: Path, workers: int) -> None:
    for index in range(2):
        people.write(tmp_path / "in" / f"{index}.parquet", people.people(200, 200 * index))
    sql = f"SELECT id, name, height FROM '{tmp_path}/in/*.parquet' WHERE id % 2 = 0 ORDER BY id"
    load(server, sql=sql, workers=workers)
    table = people.table_of(PEOPLE).select(["id", "name", "height"])
    even = table.filter(pa.array([n % 2 == 0 for n in range(COUNT)]))
    assert hashes(server.client) == expected_of(even, tmp_path)
    assert verify(server, sql=sql) == all_equal(COUNT // 2)
    done = run_cli("load", "--sql", sql, "--to", server.url, "--key", "{#}", "--as", "json")
    assert done.returncode == 4  # this server has no JSON
    assert "the server has no JSON.SET" in done.stderr


@pytest.mark.parametrize("scheme", ["sqlite:", "sqlite:///", "duckdb:"])
def test_a_query_over_a_database_runs_there(server: Server, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "people.db"
    rows = [(int(one["id"]), one["name"], one["city"]) for one in PEOPLE]
    if scheme.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE people (id INTEGER, name TEXT, city TEXT)")
            database.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
            database.commit()
    else:
        import duckdb

        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE people (id INTEGER, name TEXT, city TEXT)")
            connection.executemany("INSERT INTO people VALUES (?, ?, ?)", rows[:50])
        rows = rows[:50]
    options = {"sql": "SELECT * FROM people", "database": f"{scheme}{path}", "workers": 2}
    load(server, **options)
    assert hashes(server.client) == {
        b"p:%d" % id: {b"id": b"%d" % id, b"name": name.encode(), b"city": city.encode()}
        for id, name, city in rows
    }
    assert verify(server, **options) == all_equal(len(rows))


# The bigger ones


def test_a_csv_of_many_blocks_full_of_line_breaks_is_read_by_all_workers(
    server: Server, tmp_path: Path
) -> None:
    many = people.people(30_000)
    path = people.write(tmp_path / "many.csv", many)
    assert path.stat().st_size > 10 << 20
    report = load(server, path, workers=3)
    assert all(worker.records for worker in report.workers)
    assert hashes(server.client) == by_id(read_by_python(path))


def test_an_irregular_csv_is_read_as_python_reads_it(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "irregular.csv"
    lines = ["id,name", *(f'{n},{n}" pipe' if n % 50 else f'{n},"a ""b"" c"d' for n in range(3000))]
    path.write_text("\n".join(lines) + "\n")
    load(server, path, workers=3)
    assert hashes(server.client) == by_id(read_by_python(path))
