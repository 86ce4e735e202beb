"""Loads of every kind into a real Redis Cluster, and their verification: the target equals the source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cases import cases
from tests.server.cluster_loads import COUNT, KINDS, write_csv
from tests.server.clustered import ROWS, UNIQUE, Clustered
from tests.support import run_cli
from tests.support.cluster import RealCluster, slot_of
from tests.support.versions import NEW, binary_of

REPEATED = COUNT - len({row["id"] for row in ROWS})


@pytest.fixture(scope="module")
def newer_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster(tmp_path_factory.mktemp("newer"), binary=binary_of(NEW)) as cluster:
        yield cluster


@cases("name", KINDS)
def test_every_kind_of_load_leaves_what_the_source_says_and_is_verified(
    clustered: Clustered, name: str
) -> None:
    load_and_verify(clustered, name)


def test_a_newer_cluster_takes_what_depends_on_the_version(
    clustered: Clustered, newer_cluster: RealCluster
) -> None:
    newer = replace(clustered, cluster=newer_cluster)
    for name in ("hashes by RESTORE", "packed strings", "strings, many in a slot", "lists in one slot"):
        load_and_verify(newer, name)


def load_and_verify(clustered: Clustered, name: str) -> None:
    kind, cluster = KINDS[name], clustered.cluster
    cluster.flush()
    clustered.load(*kind.options)
    assert cluster.dump() == kind.held(ROWS)
    if kind.verified:
        verified = clustered.run("verify", *kind.options, node=1)
        assert verified.records["missing"] == verified.records["rejected"] == 0, verified
        assert verified.records["different"] <= REPEATED, verified


def test_two_workers_load_and_verify_what_one_does(clustered: Clustered) -> None:
    kind = KINDS["several commands a record"]
    options = (*kind.options, "--workers", "2", "--json", "--progress", "none")
    for verb, counted in (("load", "written"), ("verify", "equal")):
        ended = run_cli(verb, clustered.unique, "--to", clustered.cluster.url, *options)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["records"][counted] == COUNT
    assert clustered.cluster.dump() == kind.held(UNIQUE)


def test_what_is_missing_and_different_on_any_node_is_counted(clustered: Clustered) -> None:
    kind, cluster = KINDS["strings"], clustered.cluster
    clustered.load(*kind.options, file=clustered.unique)
    assert clustered.run("verify", *kind.options, file=clustered.unique).records["equal"] == COUNT
    missing, different = range(0, 30, 3), range(1, 30, 3)
    for number in missing:
        assert cluster.owner(slot_of(f"k:{number}")).ask("DEL", f"k:{number}") == 1
    for number in different:
        cluster.owner(slot_of(f"k:{number}")).ask("SET", f"k:{number}", "other")
    verified = clustered.run("verify", *kind.options, file=clustered.unique)
    assert verified.code == 1
    equal = COUNT - len(missing) - len(different)
    counts = {"read": COUNT, "equal": equal, "missing": len(missing), "different": len(different)}
    assert verified.records == {**counts, "rejected": 0}


def test_keys_have_their_expiry(clustered: Clustered) -> None:
    for name in ("strings with a TTL", "hashes that are merged"):
        clustered.cluster.flush()
        clustered.load(*KINDS[name].options)
        for key in clustered.cluster.dump():
            left_ms = clustered.cluster.owner(slot_of(key)).ask("PTTL", key)
            assert 3_500_000 < left_ms <= 3_600_000


IF_EXISTS = {
    ("string", "skip"): b"there",
    ("string", "fail"): b"there",
    ("string", "replace"): b"new",
    ("hash", "skip"): {b"old": b"there"},
    ("hash", "fail"): {b"old": b"there"},
    ("hash", "merge"): {b"old": b"there", b"value": b"new"},
    ("hash", "replace"): {b"value": b"new"},
    ("list", "skip"): [b"there"],
    ("list", "merge"): [b"there", b"new"],
    ("list", "replace"): [b"new"],
    ("set", "fail"): {b"there"},
    ("set", "merge"): {b"there", b"new"},
    ("set", "replace"): {b"new"},
}
"""What a key holds after a load that finds it there."""

_PUT = {
    "string": ("SET", "there"),
    "hash": ("HSET", "old", "there"),
    "list": ("RPUSH", "there"),
    "set": ("SADD", "there"),
}


@cases("found", IF_EXISTS)
def test_every_mode_of_if_exists_means_on_a_cluster_what_it_means_elsewhere(
    clustered: Clustered, found: tuple[str, str]
) -> None:
    kind, mode = found
    cluster = clustered.cluster
    cluster.flush()
    count, there = 60, range(0, 60, 4)
    word, *arguments = _PUT[kind]
    for number in there:
        cluster.owner(slot_of(f"k:{number}")).ask(word, f"k:{number}", *arguments)
    file = write_csv(
        clustered.file.with_name("few.csv"), [{"id": str(n), "value": "new"} for n in range(count)]
    )
    options = (
        "--key",
        "k:{id}",
        "--as",
        kind,
        "--if-exists",
        mode,
        "--max-rejects",
        "100%",
        "--at-least-once",
    )
    fields = ("--exclude", "id") if kind == "hash" else ("--value", "{value}")
    ended = clustered.run("load", *options, *fields, file=file)
    refused = len(there) if mode in ("skip", "fail") else 0
    skipped, rejected = (refused, 0) if mode == "skip" else (0, refused)
    written = count - refused
    assert ended.records == {"read": count, "written": written, "skipped": skipped, "rejected": rejected}, (
        ended
    )
    assert ended.code == (1 if rejected else 0)
    fresh = {"string": b"new", "hash": {b"value": b"new"}, "list": [b"new"], "set": {b"new"}}[kind]
    held = {b"k:%d" % n: IF_EXISTS[found] if n in there else fresh for n in range(count)}
    assert cluster.dump() == held


def test_records_that_their_node_refuses_are_rejects_and_cost_no_other(clustered: Clustered) -> None:
    cluster, wrong = clustered.cluster, [0, 7, 100, 399]
    for name in ("sets", "hashes that are merged", "several commands a record"):
        cluster.flush()
        options = (*KINDS[name].options, *(("--if-exists", "merge") if name == "sets" else ()))
        expected = KINDS[name].held(UNIQUE)
        if name == "sets":
            refused = {b"s:t3"}
            rejected = COUNT // 8
        else:
            prefix = b"h:" if name.startswith("hashes") else b"u:"
            refused = {prefix + b"%d" % number for number in wrong}
            rejected = len(wrong)
        for key in refused:
            cluster.owner(slot_of(key)).ask("SET", key, "a string")
        ended = clustered.run("load", *options, "--max-rejects", "100", file=clustered.unique)
        assert ended.code == 1, ended
        written = COUNT - rejected
        assert ended.records == {"read": COUNT, "written": written, "skipped": 0, "rejected": rejected}
        rejects = [json.loads(line) for line in clustered.rejects.read_text().splitlines()]
        assert len(rejects) == rejected
        assert all(reject["reason"].startswith("WRONGTYPE") for reject in rejects)
        if name != "sets":
            assert sorted(reject["record"] for reject in rejects) == wrong
        assert cluster.dump() == {**expected, **dict.fromkeys(refused, b"a string")}
