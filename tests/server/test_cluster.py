"""Loads of every kind into a real Redis Cluster, and their verification: the target equals the source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.cases import cases
from tests.fault.commands import Ended, run_here
from tests.server.cluster_loads import COUNT, KINDS, records, write_csv
from tests.support import run_cli
from tests.support.cluster import RealCluster, slot_of
from tests.support.versions import NEW, SYSTEM, binary_of

ROWS = records()
UNIQUE = records(unique=True)
REPEATED = COUNT - len({row["id"] for row in ROWS})


@dataclass(frozen=True, slots=True)
class Clustered:
    """The command line in this process, beside a cluster that was flushed."""

    cluster: RealCluster
    capsys: pytest.CaptureFixture[str]
    file: Path
    rejects: Path

    @property
    def unique(self) -> Path:
        """Return a file of COUNT records with ids of their own."""
        return write_csv(self.file.with_name("unique.csv"), UNIQUE)

    def run(self, verb: str, *options: str, file: Path | None = None, node: int = 0) -> Ended:
        to = ("--to", self.cluster.nodes[node].url)
        rejects = ("--rejects", str(self.rejects)) if verb == "load" else ()
        return run_here(self.capsys, verb, file or self.file, *to, *rejects, *options)

    def load(self, *options: str, read: int = COUNT, **others: Any) -> Ended:
        """Load all that there is."""
        ended = self.run("load", *options, **others)
        assert ended.code == 0, ended
        assert ended.records == {"read": read, "written": read, "skipped": 0, "rejected": 0}
        return ended


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster(tmp_path_factory.mktemp("cluster"), binary=binary_of(SYSTEM)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def newer_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster(tmp_path_factory.mktemp("newer"), binary=binary_of(NEW)) as cluster:
        yield cluster


@pytest.fixture
def clustered(cluster: RealCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Clustered:
    cluster.flush()
    return Clustered(cluster, capsys, write_csv(tmp_path / "rows.csv", ROWS), tmp_path / "rejects.jsonl")


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


def test_commands_that_add_up_are_refused_unless_they_lie_in_one_slot(clustered: Clustered) -> None:
    for options in (
        ("--key", "l:{id}", "--as", "list", "--value", "{value}"),
        ("--command", "INCRBY sum:{tag} {score}"),
        ("--command", "RPUSH a {value}", "--command", "RPUSH b {value}"),
    ):
        ended = clustered.run("load", *options)
        assert ended.code == 2, ended
        assert "--at-least-once" in ended.stderr
        assert clustered.cluster.dump(with_jobs=True) == {}


def test_a_rate_is_that_of_all_nodes_together(clustered: Clustered) -> None:
    ended = clustered.load("--key", "k:{id}", "--max-rate", "2000")
    assert ended.report["seconds"] >= COUNT / 2000 * 0.5


def test_only_database_0_is_there(clustered: Clustered) -> None:
    url = clustered.cluster.url.removesuffix("/0") + "/1"
    ended = run_here(clustered.capsys, "load", clustered.file, "--to", url, "--key", "k:{id}")
    assert ended.code in (2, 4)
    assert "database" in ended.stderr


def test_a_job_leaves_its_record_on_every_node_and_no_checkpoint(clustered: Clustered) -> None:
    clustered.load("--key", "k:{id}", "--job", "mine")
    held = clustered.cluster.dump(with_jobs=True)
    jobs = {key: value for key, value in held.items() if key.startswith(b"etl:{")}
    assert jobs
    assert not [key for key in jobs if key.endswith(b":lock")]
    for value in jobs.values():
        assert isinstance(value, dict)
        assert not [field for field in value if field.startswith(b"mark:")]
