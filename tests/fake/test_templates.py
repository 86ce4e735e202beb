"""What options make of a record: its fields, its JSON text, and the commands it becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import etl
from tests.fake.loaded import called, report_of
from tests.support import FakeServer, RealServer, data_keys, data_size
from tests.support.people import hashes

NESTED = [
    {"id": 1, "name": "Ada", "at": {"city": "Ulm", "zip": {"code": "089"}}, "tags": ["a", "b"], "none": None},
    {"id": 2, "name": "", "at": {"city": "Bonn"}, "tags": [], "none": ""},
    {"id": 3, "name": "Cy", "tags": "alone", "extra": [1.10, {"x": None}]},
]
FLAT = [{name: one.get(name) for name in ("id", "name")} for one in NESTED]


@pytest.fixture(params=["jsonl", "parquet"])
def nested(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two of the records, which a table can hold as well."""
    path = tmp_path / f"nested.{request.param}"
    some: list[dict[str, Any]] = NESTED[:2]
    if request.param == "jsonl":
        path.write_text("\n".join(map(json.dumps, some)))
    else:
        pyarrow.parquet.write_table(
            pa.Table.from_pylist(
                some,
                pa.schema(
                    [
                        ("id", pa.int64()),
                        ("name", pa.string()),
                        (
                            "at",
                            pa.struct([("city", pa.string()), ("zip", pa.struct([("code", pa.string())]))]),
                        ),
                        ("tags", pa.list_(pa.string())),
                        ("none", pa.string()),
                    ]
                ),
            ),
            path,
        )
    return path


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "nested.jsonl"
    path.write_text("\n".join(map(json.dumps, NESTED)))
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {b"id": b"1", b"name": b"Ada", b"city": b"Ulm"}),
        (("--include", "name,city"), {b"name": b"Ada", b"city": b"Ulm"}),
        (("--exclude", "id"), {b"name": b"Ada", b"city": b"Ulm"}),
        (("--include", "name,city", "--exclude", "city"), {b"name": b"Ada"}),
        (("--rename", "name=n"), {b"id": b"1", b"n": b"Ada", b"city": b"Ulm"}),
        (
            ("--rename", "name=n", "--rename", "city=town", "--include", "name,city"),
            {b"n": b"Ada", b"town": b"Ulm"},
        ),
    ],
)
def test_include_exclude_and_rename_choose_the_fields(
    tmp_path: Path,
    fake_server: FakeServer,
    suffix: str,
    options: tuple[str, ...],
    expected: dict[bytes, bytes],
) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "csv":
        path.write_text("id,name,city\n1,Ada,Ulm\n")
    elif suffix == "jsonl":
        path.write_text('{"id": 1, "name": "Ada", "city": "Ulm"}\n')
    else:
        pyarrow.parquet.write_table(pa.table({"id": [1], "name": ["Ada"], "city": ["Ulm"]}), path)
    argv: tuple[str | Path, ...] = (path, "--to", fake_server.url, "--key", "p:{id}", *options)
    report_of("load", *argv)
    assert hashes(fake_server.client()) == {b"p:1": expected}
    assert report_of("verify", *argv)["records"]["equal"] == 1
    report_of("load", *argv, "--as", "string", "--value", "{json}")
    text = json.loads(fake_server.client().get("p:1") or b"")
    assert {name.encode(): str(value).encode() for name, value in text.items()} == expected


def write_two(folder: Path, suffix: str) -> Path:
    path = folder / f"two.{suffix}"
    if suffix == "csv":
        path.write_text("id,name\n1,Ada\n")
    elif suffix == "jsonl":
        path.write_text('{"id": 1, "name": "Ada"}\n')
    else:
        pyarrow.parquet.write_table(pa.table({"id": [1], "name": ["Ada"]}), path)
    return path


@pytest.mark.parametrize(("suffix", "exit_code"), [("csv", 2), ("parquet", 2), ("jsonl", 5)])
def test_two_fields_of_one_name_are_refused_and_none_is_lost(
    tmp_path: Path, fake_server: FakeServer, suffix: str, exit_code: int
) -> None:
    path = write_two(tmp_path, suffix)
    done = called("load", path, "--to", fake_server.url, "--key", "p:{id}", "--rename", "name=id")
    assert done.returncode == exit_code, done.stderr
    assert "fields would be named" in done.stderr
    assert hashes(fake_server.client()) == {}


@pytest.mark.parametrize(("suffix", "exit_code"), [("csv", 2), ("parquet", 2), ("jsonl", 5)])
def test_a_renamed_field_is_gone_under_its_old_name(
    tmp_path: Path, fake_server: FakeServer, suffix: str, exit_code: int
) -> None:
    path = write_two(tmp_path, suffix)
    done = called("load", path, "--to", fake_server.url, "--key", "p:{id}", "--rename", "id=number")
    assert done.returncode == exit_code, done.stderr
    assert "id" in done.stderr
    assert hashes(fake_server.client()) == {}


def test_a_command_that_answers_nil_has_skipped_its_record(tmp_path: Path, fake_server: FakeServer) -> None:
    path = write_two(tmp_path, "csv")
    argv = ("load", path, "--to", fake_server.url, "--command", "SET p:{id} {name} NX")
    assert report_of(*argv)["records"] == {"read": 1, "written": 1, "skipped": 0, "rejected": 0}
    again = report_of(*argv, "--restart")["records"]  # else a load that is complete is not done again
    assert again == {"read": 1, "written": 0, "skipped": 1, "rejected": 0}


@pytest.mark.parametrize("option", ["--include", "--exclude", "--rename"])
def test_a_field_that_no_record_has_cannot_be_chosen(
    tmp_path: Path, fake_server: FakeServer, option: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,name\n1,Ada\n")
    chosen = "nam=n" if option == "--rename" else "nam"
    done = called("load", path, "--to", fake_server.url, "--key", "{id}", option, chosen)
    assert done.returncode == 2
    assert f"{option} names nam, which" in done.stderr


def test_nested_values_are_json_text_and_null_is_absent(nested: Path, fake_server: FakeServer) -> None:
    report_of("load", nested, "--to", fake_server.url, "--key", "p:{id}")
    found = hashes(fake_server.client())[b"p:1"]
    assert found[b"tags"] == b'["a","b"]' or json.loads(found[b"tags"]) == ["a", "b"]
    assert json.loads(found[b"at"]) == NESTED[0]["at"]
    assert b"none" not in found


def test_nested_fields_can_be_named(nested: Path, fake_server: FakeServer) -> None:
    command = "SET {at.city}:{id} {name}!"
    report_of("load", nested, "--to", fake_server.url, "--command", command)
    assert sorted(data_keys(fake_server.client())) == [b"Bonn:2", b"Ulm:1"]
    assert report_of("verify", nested, "--to", fake_server.url, "--command", command)["records"]["equal"] == 2


def test_flatten_spreads_nested_fields(nested: Path, fake_server: FakeServer) -> None:
    argv = (nested, "--to", fake_server.url, "--key", "p:{id}", "--flatten", "--exclude", "tags,none")
    report_of("load", *argv)
    assert hashes(fake_server.client()) == {
        b"p:1": {b"id": b"1", b"name": b"Ada", b"at.city": b"Ulm", b"at.zip.code": b"089"},
        b"p:2": {b"id": b"2", b"name": b"", b"at.city": b"Bonn"},
    }
    assert report_of("verify", *argv)["records"]["equal"] == 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_omit_empty_leaves_out_what_is_empty(tmp_path: Path, fake_server: FakeServer, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    texts = {
        "csv": 'id,name,city\n1,,Ulm\n2,"",\n',
        "jsonl": '{"id":1,"name":"","city":"Ulm"}\n{"id":2,"name":""}\n',
    }
    path.write_text(texts[suffix])
    argv = (path, "--to", fake_server.url, "--key", "p:{id}", "--omit-empty")
    report_of("load", *argv)
    assert hashes(fake_server.client()) == {b"p:1": {b"id": b"1", b"city": b"Ulm"}, b"p:2": {b"id": b"2"}}
    assert report_of("verify", *argv)["records"]["equal"] == 2


@pytest.mark.parametrize(("vectors", "held"), [("raw", b"\0\0\x80?\0\0\0\xc0"), ("text", b"[1.0,-2.0]")])
def test_vectors_are_float32_bytes_or_json(
    tmp_path: Path, fake_server: FakeServer, vectors: str, held: bytes
) -> None:
    column = pa.array([[1.0, -2.0]], pa.list_(pa.float64(), 2))
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pa.table({"id": [1], "v": column}), path)
    argv = (path, "--to", fake_server.url, "--key", "p:{id}", "--vectors", vectors)
    report_of("load", *argv)
    assert fake_server.client().hget("p:1", "v") == held
    assert report_of("verify", *argv)["records"]["equal"] == 1


def test_the_members_of_an_array_are_arguments_and_a_record_without_any_is_refused(
    jsonl: Path, fake_server: FakeServer, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    argv = (jsonl, "--to", fake_server.url, "--command", "SADD tags:{id} {tags[]}")
    report = report_of("load", *argv, "--max-rejects", "1", "--rejects", rejects, code=1)
    assert report["records"] == {"read": 3, "written": 2, "skipped": 0, "rejected": 1}
    client = fake_server.client()
    assert client.smembers("tags:1") == {b"a", b"b"}
    assert client.smembers("tags:3") == {b"alone"}
    (reject,) = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert (reject["record"], reject["reason"]) == (1, "{tags[]} has no members")
    assert json.loads(reject["raw"]) == NESTED[1]
    verified = report_of("verify", *argv, "--max-rejects", "1", code=1)
    assert verified["records"] == {"read": 3, "equal": 2, "missing": 0, "different": 0, "rejected": 1}


def test_a_list_takes_all_members_of_an_array(jsonl: Path, real_server: RealServer) -> None:
    argv = (jsonl, "--to", real_server.url, "--as", "list", "--key", "l:{id}", "--value", "<{tags[]}>")
    report_of("load", *argv, "--max-rejects", "1", "--rejects", jsonl.parent / "r", code=1)
    assert real_server.client().lrange("l:1", 0, -1) == [b"<a>", b"<b>"]
    verified = report_of("verify", *argv, "--max-rejects", "1", code=1)
    assert verified["records"] == {"read": 3, "equal": 2, "missing": 0, "different": 0, "rejected": 1}


def test_array_members_stand_with_text_around_them(jsonl: Path, real_server: RealServer) -> None:
    report_of(
        *("load", jsonl, "--to", real_server.url, "--max-rejects", "1", "--rejects", jsonl.parent / "r"),
        *("--command", "RPUSH all x:{tags[]}:y"),
        code=1,
    )
    assert sorted(real_server.client().lrange("all", 0, -1)) == [b"x:a:y", b"x:alone:y", b"x:b:y"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_several_commands_for_a_record_are_carried_out_in_order(
    tmp_path: Path, fake_server: FakeServer, workers: str
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("id,city,score\n" + "".join(f"{n},c{n % 3},{n}.5\n" for n in range(60)))
    commands = (
        *("--command", "HSET user:{id} {*} source {#}"),
        *("--command", "SADD city:{city} {id}"),
        *("--command", "ZADD scores {score} {id}"),
    )
    argv = (path, "--to", fake_server.url, "--workers", workers, *commands)
    assert report_of("load", *argv)["records"]["written"] == 60
    client = fake_server.client()
    assert client.hgetall("user:7") == {b"id": b"7", b"city": b"c1", b"score": b"7.5", b"source": b"7"}
    assert {len(client.smembers(f"city:c{n}")) for n in range(3)} == {20}
    assert client.zscore("scores", "59") == 59.5
    assert report_of("verify", *argv)["records"]["equal"] == 60
    client.srem("city:c1", "7")
    assert report_of("verify", *argv, code=1)["records"]["missing"] == 1


def test_members_of_one_key_are_merged(tmp_path: Path, real_server: RealServer) -> None:
    path = tmp_path / "users.csv"
    path.write_text("id,score\n" + "".join(f"{n},{n % 7}\n" for n in range(2000)))
    for options, look in (
        (("--as", "set", "--key", "all", "--value", "{id}"), lambda c: c.scard("all")),
        (("--as", "list", "--key", "queue", "--value", "{id}"), lambda c: c.llen("queue")),
        (("--as", "zset", "--key", "board", "--value", "{id}"), lambda c: c.zcard("board")),
        (("--command", "HSET scores {id} {score}"), lambda c: c.hlen("scores")),
    ):
        argv = (path, "--to", real_server.url, "--workers", "2", *options)
        assert report_of("load", *argv)["records"]["written"] == 2000
        asked: Any = look
        assert asked(real_server.client()) == 2000
        if "list" not in options:
            assert report_of("verify", *argv)["records"]["equal"] == 2000


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        (["FLUSHALL"], "FLUSHALL is refused"),
        (["flushall now"], "FLUSHALL is refused"),
        (["EVAL {id} 0"], "EVAL is refused"),
        (["{id} x y"], "cannot come from data"),
        (["SET"], "needs a key"),
        ([""], "is empty"),
        (["SET 'x {id}"], "no closing quotation"),
        (["SET {id} {"], "a lone {"),
        (["SET {id} {*}x"], "{*}"),
        (["SET {id} {nothing}"], "uses {nothing}, which"),
    ],
)
def test_a_command_that_cannot_be_is_a_usage_error(
    tmp_path: Path, fake_server: FakeServer, commands: list[str], says: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,name\n1,Ada\n")
    argv = [word for command in commands for word in ("--command", command)]
    done = called("load", path, "--to", fake_server.url, *argv)
    assert done.returncode == 2
    assert says in done.stderr
    assert data_size(fake_server.client()) == 0


@pytest.mark.parametrize("ttl", ["0", "-5", "0.0001", "x", "", "99999999999999999999"])
def test_an_expiry_from_a_field_that_is_no_time_is_a_reject(
    tmp_path: Path, fake_server: FakeServer, ttl: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"id,ttl\n1,60\n2,{ttl}\n3,60\n")
    for kind in ("string", "hash", "set"):
        argv = ("load", path, "--to", fake_server.url, "--key", kind + ":{id}", "--as", kind)
        more = ("--ttl", "{ttl}", "--max-rejects", "1", "--rejects", tmp_path / "rejects.jsonl")
        report = report_of(*argv, *more, code=1)
        assert report["records"] == {"read": 3, "written": 2, "skipped": 0, "rejected": 1}
        (reject,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
        assert (reject["record"], reject["raw"]) == (1, f"2,{ttl}")
        assert reject["reason"].startswith("its expiry is not a time such as 30 (seconds), 1.5, 90m")
        assert not fake_server.client().exists(f"{kind}:2")
        assert 0 < fake_server.client().ttl(f"{kind}:3") <= 60


def test_an_expiry_from_a_field_is_written_as_in_the_option(tmp_path: Path, fake_server: FakeServer) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,ttl,at\n1,1.5,5000-01-01T00:00:00Z\n2,90m,95617584000.5\n3,7d,5000-01-01\n")
    client: Any = fake_server.client()
    for kind in ("string", "hash", "set", "list"):
        argv = ("load", path, "--to", fake_server.url, "--key", kind + ":{id}", "--as", kind)
        report_of(*argv, "--ttl", "{ttl}")
        for number, seconds in ((1, 1.5), (2, 5400), (3, 604_800)):
            assert 0 < client.pttl(f"{kind}:{number}") <= seconds * 1000
        assert client.pttl(f"{kind}:2") > 5_000_000
        report_of(*argv, "--expire-at", "{at}", "--restart")
        at = [client.execute_command("PEXPIRETIME", f"{kind}:{number}") for number in (1, 2, 3)]
        assert at == [95_617_584_000_000, 95_617_584_000_500, 95_617_584_000_000]


def test_a_table_of_the_api_takes_the_same_options(fake_server: FakeServer) -> None:
    etl.load(
        [{"id": 1, "a": {"b": "x"}, "empty": ""}],
        to=fake_server.url,
        key="p:{id}",
        flatten=True,
        omit_empty=True,
        rename=["a.b=c"],
        exclude="id",
        progress="none",
    )
    assert hashes(fake_server.client()) == {b"p:1": {b"c": b"x"}}
