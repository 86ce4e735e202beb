"""The command line beside a real Redis Cluster, which is flushed before each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fault.commands import Ended, run_here
from tests.server.cluster_loads import COUNT, records, write_csv
from tests.support.cluster import RealCluster

ROWS = records()
UNIQUE = records(unique=True)


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
    with RealCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def clustered(cluster: RealCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Clustered:
    cluster.flush()
    return Clustered(cluster, capsys, write_csv(tmp_path / "rows.csv", ROWS), tmp_path / "rejects.jsonl")
