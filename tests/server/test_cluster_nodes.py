"""What is asked of all nodes of a real Redis Cluster, what each of them must allow, and what they keep."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.fake.loaded import called, report_of
from tests.fault.commands import run_here
from tests.fault.inline import meanwhile
from tests.server.cluster_loads import COUNT, KINDS
from tests.server.clustered import ROWS, UNIQUE, Clustered
from tests.server.test_few_rights import rights
from tests.server.test_tls import Authority, knows_tls
from tests.support import REPO, run_cli, wait_until
from tests.support.cluster import ClusterNode, RealCluster, slot_of

IN_A_CLUSTER = re.search(
    r"A user with few rights needs besides `(\S+)`, `(\S+)`, `(\S+)` and `(\S+)`",
    (REPO / "README.md").read_text(),
)


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
    assert ended.code == 4
    assert ended.sentence.endswith("a Redis Cluster has database 0 alone: end the URL with /0")


def test_a_job_leaves_its_record_and_no_checkpoint(clustered: Clustered) -> None:
    clustered.load("--key", "k:{id}", "--job", "mine")
    held = clustered.cluster.dump(with_jobs=True)
    (job,) = [key for key in held if key.startswith(b"etl:{")]
    record = held[job]
    assert job == b"etl:{mine}"
    assert isinstance(record, dict)
    assert not [field for field in record if field.startswith((b"mark:", b"node:"))]


def test_a_user_with_the_rights_that_the_readme_lists_loads_and_verifies(
    clustered: Clustered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDISCLI_AUTH", "sesame")
    assert IN_A_CLUSTER is not None
    besides = [f"+{name.lower()}" for name in IN_A_CLUSTER.groups()]

    def user(*data: str) -> tuple[str, ...]:
        keys = ("~etl:*", "~{*", "~all")
        for node in clustered.cluster.nodes:
            node.ask("ACL", "DELUSER", "few")
            node.ask("ACL", "SETUSER", "few", "on", ">sesame", *keys, *rights(*data), *besides)
        return ("--user", "few")

    for name, writes, reads in (
        ("strings, many in a slot", ("SET", "MSET"), ("MGET",)),
        ("one list", ("RPUSH", "DEL"), ("LRANGE", "LLEN", "TYPE")),
    ):
        clustered.cluster.flush()
        kind = KINDS[name]
        clustered.load(*kind.options, *user(*writes))
        assert clustered.cluster.dump() == kind.held(ROWS)
        clustered.load(*kind.options, "--restart", *user(*writes))
        verified = clustered.run("verify", *kind.options, *user(*reads, "@read"))
        assert verified.records["missing"] == 0, verified


def with_limit(node: ClusterNode, more: int, policy: str) -> None:
    used = int(node.info("INFO", "memory")["used_memory"])
    node.ask("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", used + more)


def without_limits(clustered: Clustered) -> None:
    clustered.cluster.each("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 0)


def test_a_node_that_would_evict_keys_is_refused_and_named(clustered: Clustered) -> None:
    for node in clustered.cluster.primaries():
        with_limit(node, 1_000, "allkeys-lru")
        ended = clustered.run("load", *KINDS["strings"].options)
        without_limits(clustered)
        assert ended.code == 4, ended
        assert node.address in ended.sentence
        assert "--allow-eviction" in ended.sentence
    assert clustered.cluster.dump(with_jobs=True) == {}


def test_a_load_pauses_before_one_node_is_full(clustered: Clustered) -> None:
    node = clustered.cluster.primaries()[1]
    (own,) = [(first, last) for first, last, primary in node.view() if primary == node.id]
    filler = next(key for key in map(str, range(1_000)) if own[0] <= slot_of(key) <= own[1])
    node.ask("SETRANGE", filler, 100 << 20, "x")
    with_limit(node, 1 << 20, "noeviction")

    own_calls = count(1)

    def looks() -> int:
        stats: Any = node.info("INFO", "commandstats")
        return int(stats["cmdstat_info"]["calls"]) - next(own_calls)

    def make_room() -> None:
        before = looks()
        wait_until(lambda: looks() > before + 5, what="the guard to look a few times")
        assert sum(each.ask("DBSIZE") for each in clustered.cluster.primaries()) < 10
        node.ask("DEL", filler)
        without_limits(clustered)

    with meanwhile(make_room):
        clustered.load(*KINDS["strings"].options)
    assert clustered.cluster.dump() == KINDS["strings"].held(ROWS)


def test_shards_of_a_plan_load_a_cluster_together(clustered: Clustered, tmp_path: Path) -> None:
    out, kind = tmp_path / "plan.json", KINDS["several commands a record"]
    to = ("--to", clustered.cluster.url, "--job", "whole", "--shared-path", "--progress", "none")
    done = called("plan", clustered.unique, *to, *kind.options, "--out", out)
    assert done.returncode == 0, done.stderr
    assert clustered.cluster.dump(with_jobs=True) == {}
    reports = [
        report_of("load", "--plan", out, "--shard", which, "--workers", "1", "--progress", "none")
        for which in ("1/2", "0/2")
    ]
    assert sum(report["records"]["written"] for report in reports) == COUNT
    assert clustered.cluster.dump() == kind.held(UNIQUE)
    assert report_of("verify", "--plan", out, "--workers", "1")["records"]["equal"] == COUNT
    status = report_of("status", "whole", "--to", clustered.cluster.nodes[2].url)
    assert status["state"] == "complete"
    keys = [key for node in clustered.cluster.primaries() for key in node.ask("KEYS", "etl:*")]
    assert {key.partition(b"}")[0] for key in keys} == {b"etl:{whole"}


def test_nodes_are_reached_through_tls_by_the_host_names_that_the_cluster_prefers(
    capsys: pytest.CaptureFixture[str], clustered: Clustered, tmp_path: Path
) -> None:
    assert knows_tls(), "a server without TLS: build one with BUILD_TLS=yes"
    authority = Authority.make(tmp_path / "ca.pem")
    certificate = authority.ca.issue_cert("localhost")  # which 127.0.0.1 is not
    pem, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.cert_chain_pems[0].write_to_path(str(pem))
    certificate.private_key_pem.write_to_path(str(key))
    files = ("--tls-cert-file", pem, "--tls-key-file", key, "--tls-ca-cert-file", authority.path)
    named = ("--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname")
    tls = (*map(str, files), "--tls-auth-clients", "no")
    with RealCluster(tmp_path / "cluster", *named, tls=tls) as cluster:
        kind, port = KINDS["hashes by RESTORE"], cluster.nodes[0].listens_at
        to = ("--to", f"rediss://localhost:{port}/0?ssl_ca_certs={authority.path}", *kind.options)
        for verb, done in (("load", "written"), ("verify", "equal")):
            ended = run_here(capsys, verb, clustered.unique, *to)
            assert ended.code == 0, ended
            assert ended.records[done] == COUNT
        assert cluster.dump() == kind.held(UNIQUE)


def test_the_status_of_a_job_is_told_by_any_node(clustered: Clustered) -> None:
    clustered.cluster.flush()
    clustered.load("--key", "h:{id}", "--job", "many")
    clustered.load("--command", "RPUSH all {value}", "--job", "nightly")
    assert "complete" in run_cli("status", "many", "--to", clustered.cluster.url).stdout
    for node in clustered.cluster.primaries():
        told = run_cli("status", "nightly", "--to", node.url)
        assert told.returncode == 0, told.stderr
        assert "job nightly" in told.stdout
        assert "complete" in told.stdout
