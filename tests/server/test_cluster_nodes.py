"""What is asked of all nodes of a real Redis Cluster, what each of them must allow, and what they keep."""

from __future__ import annotations

from tests.fault.commands import run_here
from tests.server.cluster_loads import COUNT
from tests.server.clustered import Clustered
from tests.support import run_cli


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


def test_a_job_leaves_its_record_on_every_node_and_no_checkpoint(clustered: Clustered) -> None:
    clustered.load("--key", "k:{id}", "--job", "mine")
    held = clustered.cluster.dump(with_jobs=True)
    jobs = {key: value for key, value in held.items() if key.startswith(b"etl:{")}
    assert jobs
    assert not [key for key in jobs if key.endswith(b":lock")]
    for value in jobs.values():
        assert isinstance(value, dict)
        assert not [field for field in value if field.startswith(b"mark:")]


def test_the_status_of_a_job_is_told_by_any_node(clustered: Clustered) -> None:
    clustered.cluster.flush()
    clustered.load("--key", "h:{id}", "--job", "nightly")
    for node in clustered.cluster.primaries():
        told = run_cli("status", "nightly", "--to", node.url)
        assert told.returncode == 0, told.stderr
        assert "job nightly" in told.stdout
        assert "complete" in told.stdout
