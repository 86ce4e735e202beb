"""The contract of a job's state, wherever it is kept: in the target Redis, or in a journal beside a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from etl.job.fields import PrepassResult
from etl.job.nodes import JobNodes
from etl.job.presence import Presence
from etl.job.spec import JobSpec, ResumePoint
from etl.plan import CheckpointWriter, Completed, Confirmed, Target


class JobState(Protocol):
    """A job by its name, for this run. Every method raises TargetError for what is damaged or not there."""

    @property
    def name(self) -> str: ...

    @property
    def part(self) -> str:
        """Of a job that is loaded in shards the part that this is; empty for the job itself."""

    @property
    def title(self) -> str:
        """What messages call it."""

    @property
    def target(self) -> Target:
        """What has the job's state."""

    @property
    def nodes(self) -> JobNodes | None:
        """Its checkpoints at the nodes of a cluster; None elsewhere."""

    @property
    def presence(self) -> Presence:
        """Where the run's processes show that they are there."""

    def set_target(self, target: Target) -> None:
        """Use ``target`` from now on: the same one, knowing its servers."""

    def reach_anew(self) -> None:
        """Have the target reached anew before it is asked anything else."""

    def resume_point(self, task: JobSpec, *, restart: bool) -> ResumePoint:
        """Return where the job stands, for this task. Raises SourceError where it is another one by now."""

    def begin(self, task: JobSpec, block_bytes: int, *, afresh: bool) -> None:
        """Note that a run has begun: afresh, or going on."""

    def note_prepass(self, passed: PrepassResult) -> None:
        """Note that the pass before the load is done, and what it has settled."""

    def confirmed(self, done: Completed) -> Confirmed | None:
        """Return what the nodes of a cluster confirm of ``done``; None for what is no cluster."""

    def begin_attempt(self, workers: int, split: str, repaired: int = 0) -> CheckpointWriter:
        """Make the workers' checkpoints; return where they are written."""

    def complete(self, counts: Mapping[str, int]) -> None:
        """Note the good end."""

    def done(self) -> Completed | None:
        """Return what the checkpoints say; None where they are gone."""
