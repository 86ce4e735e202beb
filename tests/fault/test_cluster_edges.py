"""Primaries of a real Redis Cluster that are replaced while no worker of the run would notice."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import etl.pipeline.attempts as attempts
import etl.pipeline.preflight as asking
from tests.cases import cases
from tests.fault.clustered import COUNT, JOB, Faulty, ids
from tests.fault.commands import run_here
from tests.support import wait_until
from tests.support.cluster import ClusterNode, slot_of


def cut_off(faulty: Faulty) -> tuple[ClusterNode, ClusterNode]:
    """Return a primary without the job's record, and its replica, which gets nothing more from it."""
    cluster = faulty.cluster
    victim = next(node for node in cluster.primaries() if node is not cluster.owner(slot_of(JOB)))
    (replica,) = cluster.replicas(of=victim)
    wait_until(lambda: replica.ask("DBSIZE") == victim.ask("DBSIZE"), what="the replica to have all")
    victim.ask("ACL", "SETUSER", "default", "-psync", "-sync")
    victim.ask("CLIENT", "KILL", "TYPE", "replica")
    wait_until(lambda: not replica.linked(), what="the replica to have lost its primary")
    return victim, replica


def once(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, step: Callable[[], object]) -> None:
    """Take a step just before the function of this name is called for the first time."""
    function, steps = getattr(module, name), [step]

    def patched(*args: Any, **kwargs: Any) -> Any:
        while steps:
            steps.pop()()
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, patched)


def test_keys_that_were_deleted_at_a_primary_that_dies_before_the_load_are_deleted_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = sorted(set(ids()))
    words = ("--as", "set", "--key", "s:{id}", "--value", "{value}")
    owners = {
        slot: faulty.cluster.node(primary)
        for first, last, primary in faulty.cluster.living()[0].view()
        for slot in range(first, last + 1)
    }
    for number in numbers:
        owners[slot_of(f"s:{number}")].ask("SADD", f"s:{number}", "old")
    victim, _ = cut_off(faulty)
    once(monkeypatch, attempts, "_attempt", lambda: faulty.cluster.kill_primary(victim))
    line = ("load", str(faulty.file), "--to", faulty.cluster.url, *words, "--job", JOB)
    ended = run_here(faulty.capsys, *line)
    assert ended.code == 0, ended
    expected: dict[bytes, set[bytes]] = {b"s:%d" % number: set() for number in numbers}
    for value, number in enumerate(ids()):
        expected[b"s:%d" % number].add(b"%d" % value)
    assert faulty.cluster.dump() == expected
    assert ended.records["written"] == COUNT


@cases(("kind", "name"), [("strings", "t1"), ("a list", "t0")])
def test_a_primary_that_dies_while_the_cluster_is_asked_before_the_load_is_replaced_by_then(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    faulty.cluster.revive()
    faulty.cluster.flush()
    victim = faulty.cluster.owner(slot_of(name))
    once(monkeypatch, asking, "read_server_facts", victim.kill)
    ended = faulty.load(kind)
    faulty.cluster.wait_agreed()
    faulty.assert_loaded(kind, ended)
