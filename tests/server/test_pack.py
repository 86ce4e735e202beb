"""Packed strings on a real server that checks every byte, loaded and verified by command line."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support import RealServer, StartServer, data_size, run_cli
from tests.support.versions import OLD, binary_of

STRICT = ("--sanitize-dump-payload", "yes", "--enable-debug-command", "yes")

Rule = dict[bytes, dict[bytes, bytes]]


def some_lines(count: int, seed: int = 1) -> list[bytes]:
    """Lines of which every few hundredth is too long for a listpack."""
    draw = random.Random(seed)
    lines = [b"%08d" % draw.randrange(10**8) if at % 2 else b"line %d" % at for at in range(count)]
    for at in range(100, count, 777):
        lines[at] = b"x" * draw.choice([63, 64, 300, 4095, 4096, 9000])
    return lines


def by_the_rule(lines: list[bytes], size: int) -> Rule:
    rule: Rule = {}
    for number, line in enumerate(lines):
        rule.setdefault(b"t:%d" % (number // size), {})[b"%d" % (number % size)] = line
    return rule


def hashes(server: RealServer, keys: Iterable[bytes]) -> Rule:
    keys = list(keys)
    pipeline = server.client().pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(key)
    return dict(zip(keys, pipeline.execute(), strict=True))


def held(server: RealServer) -> Rule:
    keys: Any = server.client().keys("t:*")
    return hashes(server, keys)


def write(path: Path, lines: list[bytes]) -> str:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return str(path)


def packed(verb: str, source: str, server: RealServer, *more: str, code: int = 0, url: str = "") -> Any:
    options = (*more, "--to", url or server.url, "--progress", "none", "--json")
    if "--key" not in more:
        options += ("--key", "t:{#}")
    done = run_cli(verb, source, *options, cwd=server.folder)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def calls(server: RealServer, command: str) -> int:
    stats: Any = server.client().info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.mark.parametrize("size", ["2", "100", "512"])
def test_what_many_workers_load_is_where_the_rule_says(
    start_server: StartServer, tmp_path: Path, size: str
) -> None:
    server = start_server(*STRICT)
    lines = some_lines(60_000)
    source = write(tmp_path / "lines.txt", lines)
    report = packed("load", source, server, "--pack", size, "--workers", "3")
    assert report["records"]["written"] == len(lines)
    assert min(worker["records"] for worker in report["workers"]) > 0
    rule = by_the_rule(lines, int(size))
    assert held(server) == rule
    assert data_size(server.client()) == len(rule)
    assert calls(server, "restore") > len(rule) / 2
    server.client().execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]
    assert held(server) == rule
    counted = packed("verify", source, server, "--pack", size, "--workers", "2")["records"]
    assert (counted["equal"], counted["missing"], counted["different"]) == (len(lines), 0, 0)


def test_any_client_reads_record_k_and_verify_sees_it_change(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(*STRICT)
    lines = some_lines(5_000)
    source = write(tmp_path / "lines.txt", lines)
    packed("load", source, server, "--pack", "128")
    client = server.client()
    for k in (0, 1, 127, 128, 3_000, 4_999):
        assert client.hget(f"t:{k // 128}", str(k % 128)) == lines[k]
    assert client.object("encoding", "t:2") == b"listpack"
    client.hset("t:7", "5", "changed")
    client.delete("t:9")
    report = packed("verify", source, server, "--pack", "128", code=1)
    assert (report["records"]["missing"], report["records"]["different"]) == (128, 1)
    different = next(example for example in report["examples"] if example["found"] is not None)
    assert different == {
        "record": 7 * 128 + 5,
        "key": "t:7",
        "expected": "5=" + lines[7 * 128 + 5].decode(),
        "found": "5=changed",
    }


def test_small_values_take_less_than_a_third_of_the_memory(start_server: StartServer, tmp_path: Path) -> None:
    draw = random.Random(8)
    lines = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(100_000)]
    source = write(tmp_path / "lines.txt", lines)
    server = start_server(*STRICT)
    client = server.client()
    taken: list[float] = []
    for options in ((), ("--pack", "128")):
        client.flushall()
        before: Any = client.info("memory")
        packed("load", source, server, *options)
        after: Any = client.info("memory")
        taken.append((after["used_memory"] - before["used_memory"]) / len(lines))
    plain, small = taken
    assert small < plain / 3, f"bytes a record: {plain:.1f} as keys, {small:.1f} packed"


@pytest.mark.parametrize("wire", ["auto", "hset"])
def test_every_bucket_expires_when_told(start_server: StartServer, tmp_path: Path, wire: str) -> None:
    server = start_server(*STRICT)
    source = write(tmp_path / "lines.txt", some_lines(50_000))
    client = server.client()
    at = int(time.time()) + 500
    for expiry in (("--ttl", "500"), ("--expire-at", str(at))):
        packed("load", source, server, "--pack", "128", "--workers", "2", "--wire", wire, *expiry)
        left = [client.ttl(key) for key in client.scan_iter("t:*", count=1000)]
        assert len(left) == 391
        assert all(400 < seconds <= 500 for seconds in left)
    packed("load", source, server, "--pack", "128", "--workers", "2", "--wire", wire)
    assert {client.ttl(key) for key in client.scan_iter("t:*", count=1000)} == {-1}


def test_strings_and_longer_buckets_of_an_earlier_load_are_replaced(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(*STRICT)
    old, new = some_lines(40_000, seed=2), some_lines(30_000, seed=3)
    sources = [write(tmp_path / "old.txt", old), write(tmp_path / "new.txt", new)]
    packed("load", sources[0], server, "--workers", "1")
    packed("load", sources[1], server, "--pack", "64", "--workers", "2")
    rule = by_the_rule(new, 64)
    assert hashes(server, rule) == rule
    packed("load", sources[0], server, "--pack", "64", "--workers", "2")
    packed("load", sources[1], server, "--pack", "64", "--workers", "2")
    # What no record of this load has may stay, as keys would: only behind the last record.
    last = b"t:%d" % (len(new) // 64)
    now = hashes(server, rule)
    assert now.pop(last) == by_the_rule(old, 64)[last] | rule.pop(last)
    assert now == rule


def test_a_user_who_may_not_restore_loads_by_hset(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(*STRICT)
    server.client().acl_setuser(
        "loader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-restore"]
    )
    url = server.url.replace("://", "://loader:secret@")
    lines = some_lines(50_000)
    source = write(tmp_path / "lines.txt", lines)
    packed("load", source, server, "--pack", "128", "--workers", "2", url=url)
    assert held(server) == by_the_rule(lines, 128)
    assert calls(server, "restore") == 0
    report = packed("load", source, server, "--pack", "128", "--wire", "restore", url=url, code=4)
    assert "--wire hset" in report["error"]


def test_a_server_older_than_listpacks_takes_packed_strings(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(binary=binary_of(OLD))
    lines = some_lines(20_000)
    source = write(tmp_path / "lines.txt", lines)
    packed("load", source, server, "--pack", "128", "--workers", "2")
    rule = by_the_rule(lines, 128)
    assert hashes(server, rule) == rule


def test_a_stream_is_packed_and_refused_records_leave_holes(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(*STRICT)
    records = [{"v": f"value {at}"} if at % 1000 != 5 else {"w": 1} for at in range(30_000)]
    text = "".join(json.dumps(record) + "\n" for record in records)
    done = run_cli(
        "load",
        "-",
        *("--format", "jsonl", "--as", "string", "--value", "{v}", "--key", "t:{#}", "--pack", "128"),
        *("--workers", "2", "--max-rejects", "30", "--to", server.url, "--progress", "none", "--json"),
        input=text,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["records"] == {
        "read": 30_000,
        "written": 29_970,
        "skipped": 0,
        "rejected": 30,
    }
    rule: Rule = {}
    for number, record in enumerate(records):
        if "v" in record:
            bucket = rule.setdefault(b"t:%d" % (number // 128), {})
            bucket[b"%d" % (number % 128)] = str(record["v"]).encode()
    assert held(server) == rule


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pack", "1"), "--pack must be a whole number from 2 to 512, not '1'"),
        (("--pack", "513"), "--pack must be a whole number from 2 to 512, not '513'"),
        (("--pack", "many"), "--pack must be a whole number from 2 to 512, not 'many'"),
        (("--pack", "8", "--split", "record"), "--pack wants --split block"),
        (("--pack", "8", "--if-exists", "skip"), "--if-exists skip has no meaning with --pack"),
        (("--pack", "8", "--as", "hash"), "--pack has no effect with --as hash: it is for --as string"),
        (("--pack", "8", "--command", "SET {#} {line}"), "--pack has no effect with --command"),
        (("--pack", "8", "--ttl", "{line}"), "the expiry cannot name a field"),
        (("--pack", "8", "--key", "{line}"), "--key has {#} once"),
    ],
)
def test_what_cannot_be_packed_is_refused_before_anybody_is_connected_to(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    source = write(tmp_path / "lines.txt", [b"a"])
    done = run_cli("load", source, "--to", "redis://127.0.0.1:1/0", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
