"""``--runner ray`` on a cluster of two nodes: one is killed, a run is stopped, all is there once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

import etl
from tests.fake.loaded import called, report_of
from tests.support import RealServer, StartServer, run_cli, start_cli, wait_until

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(200)]

PASSWORD = "s3cr3t-of-the-workers"
COUNT = 100_000
NODE_CPUS = 2


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Any]:
    """A head and another node on this machine, whose workers find the server's password."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDISCLI_AUTH", PASSWORD)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": NODE_CPUS})
        patch.setenv("RAY_ADDRESS", cluster.address)
        cluster.add_node(num_cpus=NODE_CPUS)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture
def server(start_server: StartServer) -> RealServer:
    server = start_server()
    server.client().config_set("requirepass", PASSWORD)
    return server


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("".join(f"{number:<40}\n" for number in range(COUNT)))
    return path


def load_argv(numbers: Path, server: RealServer, *options: str) -> tuple[str, ...]:
    """A load whose elements would be doubled by a record that is loaded twice."""
    command = ("--command", "RPUSH all {line}", "--job", "numbers")
    return ("load", str(numbers), "--to", server.url, *command, "--runner", "ray", "--shared-path", *options)


def assert_exact(server: RealServer) -> None:
    client = server.client(password=PASSWORD)
    assert sorted(map(int, client.lrange("all", 0, -1))) == list(range(COUNT))
    status = report_of("status", "numbers", "--to", server.url)
    assert (status["state"], status["records"]["written"]) == ("complete", COUNT)
    server.client(password=PASSWORD).config_set("requirepass", "")


def wait_for_progress(server: RealServer) -> None:
    client = server.client(password=PASSWORD)
    wait_until(lambda: client.llen("all") > 2_000, what="the first records", timeout_s=60)


def test_a_node_that_is_killed_in_the_middle_costs_nothing_and_doubles_nothing(
    cluster: Any, numbers: Path, server: RealServer
) -> None:
    command = start_cli(
        *load_argv(numbers, server, "--max-rate", "20000", "--shards", "6"), "--json", fresh=True
    )
    wait_for_progress(server)
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=NODE_CPUS)
    out, err = command.communicate(timeout=150)
    assert command.returncode == 0, err
    assert PASSWORD not in out + err
    report = json.loads(out)
    assert report["records"] == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
    assert len(report["workers"]) == 6
    assert_exact(server)


def test_a_run_that_is_interrupted_stops_its_shards_and_goes_on_when_it_is_repeated(
    numbers: Path, server: RealServer
) -> None:
    argv = load_argv(numbers, server, "--max-rate", "20000", "--workers", "3")
    command = start_cli(*argv, "--json", fresh=True)
    wait_for_progress(server)
    os.kill(command.pid, SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert 0 < json.loads(out)["records"]["read"] < COUNT
    client = server.client(password=PASSWORD)
    wait_until(lambda: not client.keys("etl:*:lock"), what="the end of all shards")
    again = run_cli(*argv, "--json", fresh=True)
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["resumed_from"] > 0
    assert report["records"]["read"] == COUNT
    assert_exact(server)


def test_from_python_and_from_a_plan_it_is_the_same(
    numbers: Path, server: RealServer, tmp_path: Path
) -> None:
    import ray

    options: Any = {"to": server.url, "key": "n:{#}", "progress": "none"}
    report = etl.load(numbers, runner="ray", shared_path=True, job="api", shards=3, **options)
    assert report.records["written"] == COUNT
    assert report.exit_code == 0
    assert not ray.is_initialized()  # who has connected has let go
    plan = tmp_path / "plan.json"
    done = called("plan", numbers, "--to", server.url, "--key", "p:{#}", "--out", plan, "--shared-path")
    assert done.returncode == 0, done.stderr
    assert etl.load(plan=plan, runner="ray", progress="none").records["written"] == COUNT
    assert report_of("verify", "--plan", plan)["records"]["equal"] == COUNT
    server.client(password=PASSWORD).config_set("requirepass", "")


def test_too_many_rejects_in_one_shard_end_the_run_with_5_and_name_where_they_are(
    server: RealServer, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,name\n" + "".join(f"{number},a\n" for number in range(COUNT)) + "1,2,3\n")
    rejects = tmp_path / "r.jsonl"
    argv = ("load", path, "--to", server.url, "--key", "{id}", "--runner", "ray", "--shared-path")
    done = run_cli(*argv, "--rejects", rejects, "--shards", "2", "--progress", "none", fresh=True)
    assert done.returncode == 5, done.stderr
    assert "it has 3 fields instead of 2" in done.stderr
    (file,) = [name for name in os.listdir(tmp_path) if name.startswith("r-shard-")]
    assert f":{tmp_path / file}" in done.stderr
    assert (
        run_cli(
            *argv, "--rejects", rejects, "--max-rejects", "1", "--progress", "none", fresh=True
        ).returncode
        == 1
    )
    server.client(password=PASSWORD).config_set("requirepass", "")


def test_an_address_where_no_cluster_is_is_a_usage_error_at_once(numbers: Path, server: RealServer) -> None:
    done = called(*load_argv(numbers, server), env={"RAY_ADDRESS": "127.0.0.1:9"})
    assert done.returncode == 2
    assert "no Ray cluster answers (RAY_ADDRESS=127.0.0.1:9)" in done.stderr
    server.client(password=PASSWORD).config_set("requirepass", "")
