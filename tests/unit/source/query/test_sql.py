from __future__ import annotations

import pickle
import sqlite3
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.errors import MissingExtraError, SourceError, UsageError
from etl.source.query.sql import open_query
from tests.cases import cases
from tests.unit.source.reading import read


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """An SQLite database."""
    path = tmp_path / "people & co.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (id INTEGER, name TEXT, height REAL, photo BLOB, mixed)")
    rows = [(index, f"n{index}", index / 4, b"\xff\x00", index) for index in range(3)]
    connection.executemany(
        "INSERT INTO people VALUES (?, ?, ?, ?, ?)", [*rows, (3, None, None, None, "text")]
    )
    connection.commit()
    connection.close()
    return path


def test_duckdb_queries_files(tmp_path: Path) -> None:
    for name, ids in (("1", [1, 2]), ("2", [3])):
        pq.write_table(pa.table({"id": ids, "x": ["y"] * len(ids)}), tmp_path / f"{name}.parquet")
    source = open_query(f"SELECT id, x AS letter FROM '{tmp_path}/*.parquet' WHERE id > 1 ORDER BY id")
    assert source.streamed
    assert source.fields == ("id", "letter")
    assert source.nbytes is None
    assert read(source) == [{"id": b"2", "letter": b"y"}, {"id": b"3", "letter": b"y"}]


def test_a_query_can_be_read_again() -> None:
    source = open_query("SELECT 1 AS one")
    assert read(source) == read(source) == [{"one": b"1"}]


def test_a_big_result_comes_in_many_blocks() -> None:
    source = open_query("SELECT range AS n FROM range(100000) ORDER BY n")
    assert len(list(source.blocks(50_000))) > 5
    assert [int(record["n"]) for record in read(source, 50_000)] == list(range(100_000))


def test_a_result_without_records_has_its_fields_and_no_blocks() -> None:
    source = open_query("SELECT 1 AS one WHERE false")
    assert source.fields == ("one",)
    assert read(source) == []


def test_types_of_duckdb_have_their_text() -> None:
    source = open_query(
        "SELECT 1.50::DECIMAL(5,2) AS d, TIMESTAMP '2024-01-02 03:04:05' AS t, [1, 2] AS l, {'a': 1} AS s,"
        " 'x'::ENUM ('x', 'y') AS e, INTERVAL 1 DAY AS i,"
        " 170141183460469231731687303715884105727::HUGEINT AS h"
    )
    (record,) = read(source)
    assert record == {
        "d": b"1.50",
        "t": b"2024-01-02T03:04:05",
        "l": b"[1,2]",
        "s": b'{"a":1}',
        "e": b"x",
        "i": b"P1D",
        "h": b"170141183460469231731687303715884105727",
    }


def test_a_duckdb_file_is_a_database(tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
    assert read(open_query("SELECT * FROM t", f"duckdb:{tmp_path}/a.duckdb")) == [{"x": b"7"}]
    with pytest.raises(SourceError, match="read-only"):
        read(open_query("INSERT INTO t VALUES (1)", f"duckdb:{tmp_path}/a.duckdb"))


@pytest.mark.parametrize("uri", ["sqlite:{}", "sqlite://{}", "SQLite:{}"])
def test_sqlite_is_queried_through_adbc(people: Path, uri: str) -> None:
    source = open_query(
        "SELECT id, name, height, photo FROM people WHERE id >= 2 ORDER BY id", uri.format(people)
    )
    assert source.fields == ("id", "name", "height", "photo")
    assert read(source) == [
        {"id": b"2", "name": b"n2", "height": b"0.5", "photo": b"\xff\x00"},
        {"id": b"3", "name": None, "height": None, "photo": None},
    ]
    assert read(source) == read(source)


def test_sqlite_may_write_nothing(people: Path) -> None:
    with pytest.raises(SourceError, match="readonly"):
        open_query("CREATE TABLE other (x)", f"sqlite:{people}")
    with pytest.raises(SourceError, match="gives no records: write a SELECT"):
        open_query("PRAGMA cache_size = 100", f"sqlite:{people}")


def test_a_column_of_several_types_says_what_to_do(people: Path) -> None:
    connection = sqlite3.connect(people)
    connection.executemany("INSERT INTO people (mixed) VALUES (?)", [(number,) for number in range(40_000)])
    connection.execute("INSERT INTO people (mixed) VALUES ('text')")
    connection.commit()
    connection.close()
    sql = "SELECT {} AS m FROM people WHERE id IS NULL ORDER BY rowid"
    with pytest.raises(SourceError, match=r"Type mismatch.*CAST"):
        read(open_query(sql.format("mixed"), f"sqlite:{people}"))
    records = read(open_query(sql.format("CAST(mixed AS TEXT)"), f"sqlite:{people}"))
    assert [records[0], records[-1]] == [{"m": b"0"}, {"m": b"text"}]


@cases(
    ("sql", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere does not exist"),
        ("SELECT * FROM '/nowhere/*.parquet'", "No files found"),
        ("SELECT nothing FROM range(3)", "nothing"),
        ("SELECT 1 AS a, 2 AS a", "two columns named 'a'"),
        ("SELECT 'x'::INT AS a FROM range(3)", "Could not convert"),
        (
            "SELECT CASE WHEN range < 200000 THEN 1 ELSE 'x'::INT END AS a FROM range(300000)",
            "Could not convert",
        ),
        ("-- nothing", "no records"),
    ],
)
def test_an_error_in_duckdb_is_its_own_first_line(sql: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        read(open_query(sql))
    assert "\n" not in str(error.value)


def test_duckdb_fetches_no_extension() -> None:
    with pytest.raises(SourceError) as error:
        open_query("SELECT * FROM 'https://127.0.0.1:1/x.parquet'")
    assert "Failed to download" not in str(error.value)


@pytest.mark.parametrize(
    ("sql", "message"),
    [("SELEC 1", "syntax error"), ("SELECT * FROM nowhere", "no such table: nowhere")],
)
def test_an_error_in_sqlite_is_its_own_first_line(people: Path, sql: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        open_query(sql, f"sqlite:{people}")
    assert "\n" not in str(error.value)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(SourceError, match=r"x\.db does not exist"):
            open_query("SELECT 1", f"{scheme}:{tmp_path}/x.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database, but a text that is longer than any magic number")
    with pytest.raises(SourceError, match="is not an SQLite database"):
        open_query("SELECT 1", f"sqlite:{tmp_path}/x.db")
    with pytest.raises(SourceError, match="not a valid DuckDB database"):
        open_query("SELECT 1", f"duckdb:{tmp_path}/x.db")


@cases("uri", ["mysql://u:secret77@host/db", "people.db", "", "postgresql", "://secret77"])
def test_other_databases_are_refused_without_their_secrets(uri: str) -> None:
    with pytest.raises(UsageError, match=r"duckdb:.*postgresql://.*sqlite:") as error:
        open_query("SELECT 1", uri)
    assert "secret77" not in str(error.value)


@cases(
    "uri",
    [
        "postgresql://user:secret77@127.0.0.1:1/db",
        "postgres://user:secret77@127.0.0.1:1/db?connect_timeout=1",
        "postgresql://user@127.0.0.1:1/db?password=secret77",
        "postgresql://user:sec%zzret77@127.0.0.1:1/db",
        "postgresql://user:secret77@127.0.0.1:notaport/db",
        "postgresql://user:sec/secret77@127.0.0.1:1/db",
    ],
)
def test_a_postgresql_that_cannot_be_reached_says_so_without_the_password(uri: str) -> None:
    with pytest.raises((SourceError, UsageError)) as error:
        open_query("SELECT 1", uri)
    assert "ret77" not in str(error.value)
    assert "ret77" not in repr(error.value)
    assert len(str(error.value)) > 30


def test_a_connection_that_is_refused_is_the_sources_fault() -> None:
    with pytest.raises(SourceError, match=r"postgresql://127\.0\.0\.1:1/db: .*refused"):
        open_query("SELECT 1", "postgresql://user:secret77@127.0.0.1:1/db")


def test_an_empty_query_is_refused() -> None:
    with pytest.raises(UsageError, match="--sql is empty"):
        open_query("  \n")


def test_the_database_does_not_travel_to_workers(people: Path) -> None:
    source = open_query("SELECT id FROM people", f"sqlite:{people}")
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert copy.input is None
    assert source.names == (f"SQLite {people}", "SELECT id FROM people")
    (block,) = source.blocks(1 << 20)
    assert source.name_of(block) == "the query"


@pytest.mark.parametrize(
    ("module", "database", "extra"),
    [
        ("duckdb", None, "sql"),
        ("adbc_driver_sqlite.dbapi", "sqlite:{}", "sqlite"),
        ("adbc_driver_postgresql.dbapi", "postgresql://host/db", "postgresql"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_install(
    monkeypatch: pytest.MonkeyPatch, people: Path, module: str, database: str | None, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'redis-etl\[{extra}\]'"):
        open_query("SELECT 1", database and database.format(people))
