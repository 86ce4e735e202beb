"""A format, a store and a database of somebody else's: one file each, in a folder on the path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fake.loaded import all_of
from tests.support import REPO, FakeServer, run_cli

FORMAT = '''
"""Lines written backwards."""

from dataclasses import dataclass

import pyarrow.compute as pc

from etl.source.text.find import open_text
from etl.source.text.lines import Lines

SUFFIXES = (".toy", ".yot")
OPTIONS = ("omit_empty",)


def open(paths, options):
    return open_text(paths, Backwards(), options)


@dataclass(frozen=True)
class Backwards(Lines):
    """Lives here alone: a worker that is sent one finds this file."""

    def parse(self, data, projection, origin):
        batch = Lines.parse(self, data, projection, origin)
        lines = pc.binary_reverse(batch.line)
        return type(batch)(batch.fields.set_column(0, "line", lines), batch.spread, batch.numbers, lines)
'''

STORE = '''
"""toy:///PATH, files of this machine."""

from etl.source.storage.stores.arrow import ArrowStore

SCHEMES = ("toy",)


def open(uri):
    return ToyStore(uri)


class ToyStore(ArrowStore):
    def __init__(self, uri):
        from pyarrow import fs

        self._fs, self._buckets, self._system = fs, False, fs.LocalFileSystem()
'''

DATABASE = '''
"""toy:N, a database of one table with N records."""

from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

SCHEMES = ("toy",)
WRITTEN = "toy:N"


def open(uri):
    return Toy(int(uri.partition(":")[2]))


@dataclass(frozen=True)
class Toy:
    count: int

    @property
    def name(self):
        return f"toy {self.count}"

    @contextmanager
    def run(self, sql):
        yield pa.table({"id": range(self.count), "sql": [sql] * self.count}).to_reader()
'''

LINES = [b"%d line" % number for number in range(5_000)]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PYTHONPATH with a format, a store and a database, each called toy; a file of the format."""
    for shelf, text in {"formats": FORMAT, "storage/stores": STORE, "query/databases": DATABASE}.items():
        folder = tmp_path / "elsewhere" / "etl" / "source" / shelf
        folder.mkdir(parents=True)
        (folder / "toy.py").write_text(text)
    path = [str(REPO), str(tmp_path / "elsewhere"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    (tmp_path / "x.yot").write_bytes(b"".join(line[::-1] + b"\n" for line in LINES))
    return tmp_path / "x.yot"


def test_a_format_a_store_and_a_database_are_one_file_each(toys: Path, fake_server: FakeServer) -> None:
    to = ("--to", fake_server.url, "--progress", "none", "--json")
    client = fake_server.client()
    expected = {b"%d" % number: line for number, line in enumerate(LINES)}
    for source in (toys, f"toy://{toys}"):  # cut into ranges, and as a stream
        client.flushall()
        done = run_cli("load", source, *to, "--key", "{#}", "--value", "{line}", "--workers", "2")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["workers"]) == 2
        assert all_of(client) == expected
    done = run_cli("load", "--sql", "SELECT", "--database", "toy:3", *to, "--key", "q:{id}")
    assert done.returncode == 0, done.stderr
    assert client.hgetall("q:2") == {b"id": b"2", b"sql": b"SELECT"}


def test_what_is_on_a_shelf_is_named_by_help_and_by_what_refuses(toys: Path) -> None:
    said = run_cli("load", toys, "--fields", "a,b").stderr
    assert said == "redis-etl: --fields has no effect on a source read as toy: it is for csv and tsv\n"
    said = run_cli("load", toys, "--format", "jsonl", "--strip").stderr
    assert said == "redis-etl: --strip has no effect on a source read as jsonl: it is for lines\n"
    said = run_cli("load", "--sql", "SELECT", "--database", "tooy:3", "--key", "x").stderr
    assert said.endswith("--database is none of duckdb:PATH, postgresql://HOST/NAME, sqlite:PATH and toy:N\n")
    assert "|parquet|toy|tsv" in run_cli("load", "--help").stdout.replace("\n", "").replace(" ", "")
