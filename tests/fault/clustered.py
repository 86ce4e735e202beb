"""Loads into a real Redis Cluster in this process, and what happens to its nodes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import etl.pipeline.plan as planning
from tests.fault.commands import Ended, run_here
from tests.fault.inline import meanwhile
from tests.support import wait_until
from tests.support.cluster import ClusterNode, RealCluster, slot_of

COUNT = 2_000
TAGS = 8
RATE = 1_600
JOB = "mine"

BLOCK_BYTES = 1_000
"""A hundred records: so that checkpoints are left on the way."""

SMALL_BLOCKS = f"import etl.pipeline.plan as p; p.block_size = lambda *sizes, **limits: {BLOCK_BYTES}"
"""The patch of a command in a process of its own."""

TAG_SLOTS = [slot_of(f"t{number}") for number in range(TAGS)]
ALL_SLOTS = [*TAG_SLOTS, slot_of(JOB)]
"""Those of the data, and of the job's record."""

Held = dict[bytes, object]


def ids(count: int = COUNT) -> list[int]:
    """Return each record's id: each comes twice, one after the other, and twice once more much later."""
    return [number // 2 % (count // 4) for number in range(count)]


def _last(count: int) -> dict[int, int]:
    return {id: number for number, id in enumerate(ids(count))}


def _key(id: int) -> bytes:
    return b"{t%d}:%d" % (id % TAGS, id)


def _strings(count: int) -> Held:
    return {_key(id): b"%d" % value for id, value in _last(count).items()}


def _hashes(count: int) -> Held:
    return {
        _key(id): {b"id": b"%d" % id, b"tag": b"t%d" % (id % TAGS), b"value": b"%d" % value}
        for id, value in _last(count).items()
    }


def _several(count: int) -> Held:
    held: Held = {_key(id): {b"value": b"%d" % value} for id, value in _last(count).items()}
    for tag in range(TAGS):
        here = {id: value for id, value in _last(count).items() if id % TAGS == tag}
        held[b"ids:t%d" % tag] = {b"%d" % id for id in here}
        held[b"values:{t%d}" % tag] = {b"%d" % id: float(value) for id, value in here.items()}
    return held


def _list(count: int) -> Held:
    return {b"{t0}": [b"%d" % number for number in range(count)]}


_KEY = ("--key", "{{{tag}}}:{id}")

KINDS: dict[str, tuple[tuple[str, ...], Callable[[int], Held]]] = {
    "strings": ((*_KEY, "--as", "string", "--value", "{value}"), _strings),
    "hashes by RESTORE": ((*_KEY, "--wire", "restore"), _hashes),
    "hashes by HSET": ((*_KEY, "--wire", "hset"), _hashes),
    "several commands a record": (
        (
            *("--command", "HSET {{{tag}}}:{id} value {value}"),
            *("--command", "SADD ids:{tag} {id}"),
            *("--command", "ZADD values:{{{tag}}} {value} {id}"),
        ),
        _several,
    ),
    "a list": (("--key", "{{t0}}", "--as", "list", "--value", "{value}"), _list),
}
"""The options of each kind of load, and what a cluster holds after it."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """A cluster that was flushed, and a file that takes a second or two to load."""

    cluster: RealCluster
    capsys: pytest.CaptureFixture[str]
    file: Path

    def words(self, kind: str, *options: str) -> tuple[str, ...]:
        """Return the command line of a load."""
        rejects = ("--rejects", str(self.file.with_suffix(".rejects")))
        job = ("--job", JOB, "--max-rate", str(RATE))
        return ("load", str(self.file), "--to", self.cluster.url, *KINDS[kind][0], *job, *rejects, *options)

    def load(self, kind: str, *steps: Callable[[], object], options: tuple[str, ...] = ()) -> Ended:
        """Load the file, and take ``steps`` meanwhile, one after the other."""
        with meanwhile(*steps):
            return run_here(self.capsys, *self.words(kind, *options))

    def load_all(self, kind: str, *steps: Callable[[], object]) -> Ended:
        """Load the file: it is all there afterwards, and nothing of the job but its record."""
        ended = self.load(kind, *steps)
        self.assert_loaded(kind, ended)
        return ended

    def assert_loaded(self, kind: str, ended: Ended) -> None:
        assert ended.code == 0, ended
        assert ended.records == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
        self.assert_held(kind)
        left = self.of_jobs() - {b"etl:{%b}" % JOB.encode()}  # its state, or where that is to be found
        assert len(left) == (kind == "a list"), left
        assert left == {key for key in left if JOB.encode() in key and b"checkpoints" not in key}

    def assert_held(self, kind: str) -> None:
        found, expected = self.cluster.dump(), KINDS[kind][1](COUNT)
        wrong = {key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)}
        assert not wrong, {key: (found.get(key), expected.get(key)) for key in sorted(wrong)[:5]}

    def of_jobs(self) -> set[bytes]:
        """Return the keys of jobs on all primaries."""
        return {key for node in self.cluster.primaries() for key in node.ask("KEYS", "etl:*")}

    def flowing(self, count: int = 200, *, at: ClusterNode | None = None) -> None:
        """Return when a node, or all of them, have taken this many writes more than now."""
        nodes = [at] if at is not None else self.cluster.primaries()

        def writes() -> int:
            return sum(int(node.info("INFO", "persistence")["rdb_changes_since_last_save"]) for node in nodes)

        before = writes()
        wait_until(lambda: writes() >= before + count, what="records to flow")


def unread_bytes(port: int) -> int:
    """Return how much the system has received for the server at this port, which it has not read."""
    unread = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, queues = line.split()[1], line.split()[4]
        if int(local.rpartition(":")[2], 16) == port:
            unread += int(queues.rpartition(":")[2], 16)
    return unread


@pytest.fixture(scope="module")
def fault_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster(tmp_path_factory.mktemp("cluster"), replicas=1) as cluster:
        yield cluster


@pytest.fixture
def faulty(
    fault_cluster: RealCluster,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Faulty]:
    monkeypatch.setattr(planning, "block_size", lambda *sizes, **limits: BLOCK_BYTES)
    fault_cluster.flush()
    file = tmp_path / "rows.csv"
    rows = "".join(f"{id},t{id % TAGS},{number}\n" for number, id in enumerate(ids()))
    file.write_text("id,tag,value\n" + rows)
    yield Faulty(fault_cluster, capsys, file)
    fault_cluster.revive()
