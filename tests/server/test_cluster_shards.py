"""Shards of a job on a real Redis Cluster: together they load the source, and leave nothing that stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fake.loaded import called, report_of
from tests.server.clustered import UNIQUE, Clustered
from tests.support.data import is_of_a_job

COUNT = len(UNIQUE)


def test_shards_load_a_cluster_and_every_key_of_the_job_expires(clustered: Clustered) -> None:
    out = clustered.file.with_name("plan.json")
    url = clustered.cluster.nodes[0].url
    options = ("--key", "user:{id}", "--job", "people", "--shared-path", "--progress", "none", "--out", out)
    assert called("plan", clustered.unique, "--to", url, *options).returncode == 0
    assert shards(out) == COUNT
    assert report_of("verify", "--plan", out)["records"]["equal"] == COUNT
    assert report_of("load", "--plan", out, "--shard", "0/2", "--restart", "--progress", "none")["records"][
        "read"
    ]
    status = json.loads(called("status", "people", "--to", clustered.cluster.nodes[1].url, "--json").stdout)
    assert (status["state"], status["records"]["written"]) == ("complete", COUNT)
    for node in clustered.cluster.primaries():
        client = node.client()
        assert not [key for key in job_keys(client) if client.ttl(key) < 0]


def test_a_shard_that_is_begun_anew_takes_its_checkpoints_at_the_nodes_with_it(clustered: Clustered) -> None:
    out = clustered.file.with_name("plan.json")
    source = clustered.unique
    source.write_text(source.read_text() + "one,field,too,many,by,far,and,more\n")
    options = ("--key", "user:{id}", "--job", "people", "--shared-path", "--progress", "none", "--out", out)
    assert called("plan", source, "--to", clustered.cluster.url, *options).returncode == 0
    argv = ("load", "--plan", out, "--shard", "0/1", "--progress", "none", "--rejects", clustered.rejects)
    report_of(*argv, code=5)
    before = kept(clustered)
    assert before > 2
    report_of(*argv, "--restart", code=5)
    assert kept(clustered) == before


def kept(clustered: Clustered) -> int:
    """Return how many keys of jobs the nodes have."""
    return sum(len(job_keys(node.client())) for node in clustered.cluster.primaries())


def job_keys(client: Any) -> list[bytes]:
    return [key for key in client.keys("*") if is_of_a_job(key)]


def shards(out: Path) -> int:
    reports = [
        report_of("load", "--plan", out, "--shard", f"{index}/2", "--progress", "none") for index in range(2)
    ]
    return sum(report["records"]["written"] for report in reports)
