"""RDB files from the command line: built, started from by every server, verified."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.cli.main import main
from etl.encode.resp.slots import slot_of
from tests.cases import cases
from tests.server.cluster_loads import records, write_csv
from tests.support import RealServer, StartServer, data_keys
from tests.support.rdb_strings import read_strings
from tests.support.versions import BINARIES

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line here; returns its exit code, its report, and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str | os.PathLike[str]) -> tuple[int, Any, str]:
        capsys.readouterr()
        shown = () if "--progress" in args or args[0] == "status" else ("--progress", "none")
        code = main([*(os.fspath(arg) for arg in args), *shown, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return run


@pytest.fixture
def loaded(start_server: StartServer, tmp_path: Path) -> Callable[..., RealServer]:
    """A function that starts a server from an RDB file, as its ``dump.rdb``."""

    def loaded(file: str, *config: str, binary: str | None = None) -> RealServer:
        server = start_server(*config, wait=False, binary=binary)
        server.kill()
        shutil.copy(tmp_path / file, server.folder / "dump.rdb")
        server.restart()
        return server

    return loaded


ROWS = records(3_000, unique=True)

KINDS: dict[
    str, tuple[tuple[str, ...], Callable[[Any, dict[str, str], int], object], Callable[..., object]]
] = {
    "string": (
        ("--as", "string", "--key", "k:{id}:{#}", "--value", "{value}"),
        lambda client, row, number: client.get(f"k:{row['id']}:{number}"),
        lambda row: row["value"].encode(),
    ),
    "hash": (
        ("--key", "h:{#}"),
        lambda client, row, number: client.hgetall(f"h:{number}"),
        lambda row: {name.encode(): text.encode() for name, text in row.items()},
    ),
    "packed": (
        ("--as", "string", "--key", "p:{#}", "--value", "{value}", "--pack", "100"),
        lambda client, row, number: client.hget(f"p:{number // 100}", str(number % 100)),
        lambda row: row["value"].encode(),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_server_starts_from_a_file_and_has_the_records(
    run: Run, loaded: Callable[..., RealServer], tmp_path: Path, kind: str
) -> None:
    options, held, expected = KINDS[kind]
    file = write_csv(tmp_path / "in.csv", ROWS)
    for number, (name, binary) in enumerate(BINARIES.items()):
        version = ("--rdb-version", "9") if name.startswith("6") else ()
        to = ("--to", f"rdb:{number}.rdb", *version)
        code, report, _ = run("load", file, *options, *to, "--ttl", "1d", "--workers", str(1 + number % 2))
        assert (code, report["records"]["written"]) == (0, len(ROWS))
        server = loaded(f"{number}.rdb", binary=binary())
        client: Any = server.client()
        assert [held(client, row, at) for at, row in enumerate(ROWS)] == [expected(row) for row in ROWS]
        keys = data_keys(client)
        assert 0 < client.pttl(keys[0]) <= 86_400_000
        assert client.info("keyspace")["db0"]["expires"] == len(keys)
        client.save()  # it writes what it has read
        code, report, _ = run("verify", file, *options, "--to", server.url)
        assert (code, report["records"]["equal"]) == (0, len(ROWS))


def test_a_file_is_verified_as_a_server_that_has_loaded_it(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "in.csv", ROWS)
    options = ("--key", "h:{#}", "--to", "rdb:dump.rdb.gz")
    assert run("load", file, *options)[0] == 0
    before = (tmp_path / "dump.rdb.gz").read_bytes()
    code, report, _ = run("verify", file, *options)
    assert (code, report["records"]["equal"], report["target"]) == (0, len(ROWS), "rdb:dump.rdb.gz")
    write_csv(file, [{**ROWS[0], "value": "another"}, *ROWS[1:]])
    code, report, _ = run("verify", file, *options)
    assert (code, report["records"]["different"]) == (1, 1)
    assert (tmp_path / "dump.rdb.gz").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["dump.rdb.gz", "in.csv"]
    assert gzip.decompress(before).startswith(b"REDIS0010")


def test_shards_have_the_keys_of_their_slots(run: Run, tmp_path: Path) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("".join(f"{number}\n" for number in range(5_000)))
    to = ("--to", "rdb:part-{shard}.rdb", "--shards", "3", "--workers", "2")
    code, report, _ = run("load", lines, "--key", "k:{#}", *to)
    assert code == 0
    found = [read_strings(tmp_path / f"part-{shard}.rdb").values for shard in range(3)]
    assert {key: value for values in found for key, value in values.items()} == {
        b"k:%d" % number: b"%d" % number for number in range(5_000)
    }
    for shard, values in enumerate(found):
        assert {slot_of(key) * 3 // 16_384 for key in values} == {shard}
    assert report["nodes"] == {f"part-{shard}.rdb": len(values) for shard, values in enumerate(found)}


def test_packed_strings_are_whole_in_every_shard(
    run: Run, loaded: Callable[..., RealServer], tmp_path: Path
) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("".join(f"{number}\n" for number in range(5_000)))
    to = ("--to", "rdb:{shard}.rdb.gz", "--shards", "2", "--workers", "2")
    assert run("load", lines, "--key", "k:{#}", "--pack", "64", *to)[0] == 0
    found: dict[bytes, dict[bytes, bytes]] = {}
    for shard in range(2):
        (tmp_path / f"{shard}.rdb").write_bytes(gzip.decompress((tmp_path / f"{shard}.rdb.gz").read_bytes()))
        client: Any = loaded(f"{shard}.rdb").client()
        found |= {key: client.hgetall(key) for key in data_keys(client)}
    assert len(found) == -(-5_000 // 64)
    assert {
        int(key[2:]) * 64 + int(field): int(value)
        for key, bucket in found.items()
        for field, value in bucket.items()
    } == {number: number for number in range(5_000)}


def test_a_server_with_an_append_only_file_starts_from_its_base(
    run: Run, start_server: StartServer, tmp_path: Path
) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("a\nb\n")
    server = start_server("--appendonly", "yes", wait=False)
    server.kill()
    shutil.rmtree(server.folder / "appendonlydir", ignore_errors=True)
    to = ("--to", f"rdb:{server.folder}", "--aof")
    for _ in range(2):  # what we have made ourselves is made anew
        assert run("load", lines, *to)[0] == 0
    server.restart()
    assert server.client().mget("0", "1") == [b"a", b"b"]
    server.client().set("2", "c")
    server.restart()
    assert server.client().mget("0", "1", "2") == [b"a", b"b", b"c"]
    server.kill()
    code, _, said = run("load", lines, *to)
    assert code == 2
    assert "appendonlydir has a server's data in it (appendonly.aof.1.incr.aof): name another folder" in said


def test_what_has_not_changed_is_not_built_again(run: Run, tmp_path: Path) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("a\nb\n")
    argv = ("load", lines, "--to", "rdb:dump.rdb", "--skip-unchanged", "--progress", "log")
    assert run(*argv)[1]["records"]["written"] == 2
    code, report, said = run(*argv)
    assert (code, report["records"]["written"]) == (0, 0)
    assert "rdb:dump.rdb is complete and nothing has changed: nothing to do" in said
    lines.write_text("a\nb\nc\n")
    assert run(*argv)[1]["records"]["written"] == 3
    assert run(*argv, "--key", "x:{#}")[1]["records"]["written"] == 3


@cases(
    ("options", "says"),
    [
        (("--to", "rdb:"), "--to rdb: needs a file: --to rdb:FILE"),
        (("--to", "rdb:in.txt"), "in.txt is there, and is no RDB file: it would be lost; name another"),
        (("--to", "rdb:."), "rdb:. is a folder: name the file in it, as rdb:./dump.rdb"),
        (("--to", "rdb:none/dump.rdb"), "none does not exist"),
        (("--to", "rdb:none/"), "none does not exist"),
        (("--to", "rdb:/dev/zero"), "rdb:/dev/zero is a device, a pipe or a socket: name a file"),
        (("--to", "rdb:d.rdb", "--wait-replicas", "1"), "--wait-replicas has no effect with an RDB file"),
        (
            ("--to", "rdb:d.rdb", "--user", "anna"),
            "--user has no effect with an RDB file: it is for redis+sentinel://",
        ),
        (("--to", "rdb:d.rdb", "--shards", "2"), "put {shard} into the name, as in rdb:dump-{shard}.rdb"),
        (("--to", "rdb:{shard}.rdb"), "needs --shards N, or --slots-of redis://NODE"),
        (("--to", "rdb:{shard}.rdb", "--shards", "20000"), "--shards must be"),
        (("--to", "rdb:{shard}", "--shards", "2", "--slots-of", "redis://x"), "contradict each other"),
        (("--to", "redis://x", "--rdb-version", "9"), "--rdb-version has no effect with a Redis server"),
        (("--to", "rdb:d.rdb", "--as", "list", "--if-exists", "merge"), "merge has nothing to merge with"),
        (("--to", "rdb:d.rdb", "--command", "SET {#} x"), "--command cannot be written into an RDB file"),
        (("--to", "rdb:d.rdb", "--rdb-version", "12"), "--rdb-version must be one of 9, 10, 11"),
        (("--to", "embedded:d", "--rdb-version", "9"), "--rdb-version has no effect with an embedded server"),
        (("--to", "rdb:d.rdb", "--aof"), "with --aof it is a server's folder, and there is none"),
    ],
)
def test_what_a_file_cannot_be_is_refused(run: Run, options: tuple[str, ...], says: str) -> None:
    lines = Path("in.txt")
    lines.write_text("a\n")
    code, _, said = run("load", lines, *options)
    assert code == 2
    assert says in said
    assert os.listdir() == ["in.txt"]


def test_a_link_stays_one_and_a_pipe_is_no_file(run: Run, tmp_path: Path) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("a\n")
    (tmp_path / "disk").mkdir()
    for link, file in (("dump.rdb", "disk/dump.rdb"), ("other.rdb", "disk/other.rdb.gz")):
        (tmp_path / link).symlink_to(file)
    for _ in range(2):
        assert run("load", lines, "--to", "rdb:dump.rdb")[0] == 0
        assert (tmp_path / "dump.rdb").is_symlink()
        assert read_strings(tmp_path / "disk" / "dump.rdb").values == {b"0": b"a"}
    code, _, said = run("load", lines, "--to", "rdb:other.rdb")
    assert (code, "only one of them ends with .gz; name the file" in said) == (2, True)
    os.mkfifo("pipe.rdb")
    code, _, said = run("load", lines, "--to", "rdb:pipe.rdb")
    assert (code, "is a device, a pipe or a socket: name a file" in said) == (2, True)
    assert os.listdir("disk") == ["dump.rdb"]


@cases(
    ("name", "content", "says"),
    [
        ("x.rdb.gz", gzip.compress(b"REDIS0010" * 99)[:-9], "rdb:x.rdb.gz is damaged: Compressed file ended"),
        ("x.rdb.gz", b"REDIS0010", "rdb:x.rdb.gz is damaged: Not a gzipped file"),
        ("x.rdb", b"REDIS0010\xfe", "rdb:x.rdb: the server ended with exit code 1 before it was ready"),
        ("x.rdb", b"REDIS0099\xff", "it is of an RDB version that this server does not read"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_verified(run: Run, name: str, content: bytes, says: str) -> None:
    Path("in.txt").write_text("a\n")
    Path(name).write_bytes(content)
    code, _, said = run("verify", "in.txt", "--to", f"rdb:{name}")
    assert (code, says in said) == (4, True), said


def test_other_verbs_say_what_they_are_for(run: Run, tmp_path: Path) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("a\n")
    code, _, said = run("verify", lines, "--to", "rdb:none.rdb")
    assert (code, "rdb:none.rdb is not there: redis-etl load builds it" in said) == (3, True)
    code, _, said = run("plan", lines, "--to", "rdb:none.rdb")
    assert (code, "is a file: only load and verify have a use for it" in said) == (2, True)


def test_an_empty_embedded_folder_is_filled_without_a_server(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_csv(tmp_path / "in.csv", ROWS)
    argv = ("load", file, "--key", "h:{#}", "--to", "embedded:data", "--job", "nightly")
    with monkeypatch.context() as patched:
        patched.setattr("etl.sink.embedded.server.opened", None)
        code, report, _ = run(*argv)
    assert (code, report["records"]["written"], report["target"]) == (0, len(ROWS), "embedded:data")
    assert (tmp_path / "data" / "dump.rdb").stat().st_mode & 0o777 == 0o600
    # From here on it is a server's: the job's record is in it, as after any load.
    assert run("verify", file, "--key", "h:{#}", "--to", "embedded:data")[1]["records"]["equal"] == len(ROWS)
    assert run(*argv, "--skip-unchanged")[1]["records"]["read"] == 0
    code, status, _ = run("status", "nightly", "--to", "embedded:data")
    assert (code, status["state"]) == (0, "complete")
    assert run(*argv)[1]["records"]["written"] == len(ROWS)
    assert not [name for name in os.listdir(tmp_path / "data") if "partial" in name or "journal" in name]


@cases(
    "options",
    [
        ("--command", "SET k:{#} {id}"),
        ("--key", "h:{#}", "--if-exists", "skip"),
        ("--key", "h:{#}", "--wire", "hset"),
    ],
)
def test_what_only_a_server_can_do_is_done_by_one(run: Run, options: tuple[str, ...]) -> None:
    file = write_csv(Path("in.csv"), ROWS[:50])
    shutil.rmtree("data", ignore_errors=True)
    assert run("load", file, *options, "--to", "embedded:data")[1]["records"]["written"] == 50
    assert Path("data/redis.log").exists()


def test_of_records_with_one_key_the_last_one_is_in_the_file(
    run: Run, loaded: Callable[..., RealServer]
) -> None:
    rows = records(3_000)
    ids = {row["id"] for row in rows}
    file = write_csv(Path("in.csv"), rows)
    argv = ("load", file, "--key", "h:{id}", "--workers", "2", "--memory", "1MiB")
    counts = {"read": 3_000, "written": len(ids), "skipped": 0, "rejected": 0}
    code, report, _ = run(*argv, "--to", "rdb:last.rdb")
    assert (code, report["records"]) == (0, {**counts, "superseded": 3_000 - len(ids)})
    code, report, _ = run(*argv, "--to", "rdb:first.rdb", "--if-exists", "skip")
    assert (code, report["records"]) == (0, {**counts, "skipped": 3_000 - len(ids)})
    last = {f"h:{row['id']}": row["value"] for row in rows}
    first = {f"h:{row['id']}": row["value"] for row in reversed(rows)}
    assert first != last
    for name, expected in (("last.rdb", last), ("first.rdb", first)):
        client: Any = loaded(name).client()
        assert {key.decode(): client.hget(key, "value").decode() for key in data_keys(client)} == expected
    code, report, said = run(*argv, "--to", "rdb:none.rdb", "--if-exists", "fail")
    assert code == 3
    assert "has the key h:" in said
    assert not [name for name in os.listdir() if name.startswith("none")]


def test_the_key_of_a_set_is_one_record(run: Run, loaded: Callable[..., RealServer]) -> None:
    lines = Path("in.jsonl")
    lines.write_text('{"id": 1, "tags": ["a", "b", "a"]}\n{"id": 2, "tags": ["c"]}\n')
    argv = ("load", lines, "--as", "set", "--key", "s:{id}", "--value", "{tags[]}")
    assert run(*argv, "--to", "rdb:d.rdb")[0] == 0
    client: Any = loaded("d.rdb").client()
    assert (client.smembers("s:1"), client.smembers("s:2")) == ({b"a", b"b"}, {b"c"})
    lines.write_text('{"id": 1, "tags": ["a"]}\n{"id": 1, "tags": ["c"]}\n')
    code, _, said = run(*argv, "--to", "rdb:d.rdb")
    assert code == 3
    assert "record 1 of in.jsonl has the key s:1, and so has record 0" in said
    assert "GROUP BY key" in said
    sql = "SELECT id, list(tag) AS tags FROM (SELECT id, unnest(tags) AS tag FROM 'in.jsonl') GROUP BY id"
    code, report, _ = run("load", "--sql", sql, *argv[2:], "--to", "rdb:d.rdb")
    assert (code, report["records"]["written"]) == (0, 1)
    assert loaded("d.rdb").client().smembers("s:1") == {b"a", b"c"}
    assert not [name for name in os.listdir() if name.startswith("d.rdb.")]


ARRAYS = (
    ("--as", "zset", "--key", "k:{id}", "--value", "{tags[]}", "--score", "{scores[]}"),
    ("--as", "list", "--key", "k:{id}", "--value", "{tags[]}"),
    ("--as", "json", "--key", "k:{id}"),
)


@cases("options", ARRAYS)
def test_what_only_a_file_takes_is_verified_in_it(run: Run, options: tuple[str, ...]) -> None:
    lines = Path("in.jsonl")
    lines.write_text(
        '{"id": 1, "tags": ["a", "b"], "scores": [1, 2.5]}\n{"id": 2, "tags": ["c"], "scores": [3]}\n'
    )
    to = ("--to", "rdb:d.rdb", "--progress", "log")
    code, _, said = run("load", lines, *options, *to)
    assert (code, "it becomes strings of JSON text" in said) == (0, "json" in options)
    code, report, _ = run("verify", lines, *options, *to)
    assert (code, report["records"]["equal"]) == (0, 2)
    lines.write_text(
        '{"id": 1, "tags": ["a", "b"], "scores": [1, 2.5]}\n{"id": 2, "tags": ["d"], "scores": [3]}\n'
    )
    code, report, _ = run("verify", lines, *options, *to)
    assert (code, report["records"]["different"] + report["records"]["missing"]) == (1, 1)


def test_a_stream_whose_keys_may_be_repeated_is_read_from_a_copy(
    run: Run, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Path("in.jsonl.gz")
    packed.write_bytes(gzip.compress(b"".join(b'{"id": %d, "n": %d}\n' % (n % 90, n) for n in range(100))))
    argv = ("load", packed, "--key", "k:{id}", "--as", "string", "--value", "{n}", "--progress", "log")
    expected = {b"k:%d" % (n % 90): b"%d" % n for n in range(100)}
    code, report, said = run(*argv, "--to", "rdb:d.rdb")
    assert (code, report["records"]["superseded"]) == (0, 10)
    assert "the stream is copied to" in said
    assert read_strings(Path("d.rdb")).values == expected
    server = start_server()
    code, report, said = run(*argv, "--to", server.url, "--wire", "replication")
    assert (code, report["records"]["superseded"]) == (0, 10)
    client: Any = server.client()
    assert {key: client.get(key) for key in data_keys(client)} == expected
    assert not [name for name in os.listdir() if "spool" in name or "keys" in name]
