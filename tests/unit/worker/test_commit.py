"""Commits: what is due after blocks that are completed, and what a reply to it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.encode.resp.protocol import plain
from etl.errors import JobStateLostError, RefusedForNowError, TargetError
from etl.plan import Checkpoint, CheckpointWriter, Response
from etl.sink.error_replies import error_reply
from etl.worker.commit import Commits, PendingCommit, checkpoint_wire
from tests.unit.given import source_of
from tests.unit.memory import plan_for

WRITER = CheckpointWriter(b"etl:{j}", 2)


def checkpoint(block: int) -> Checkpoint:
    return Checkpoint(2, 1, 4, "block", block=block, token="ab")


def commits_of(folder: Path, **parts: Any) -> Commits:
    return Commits(plan_for(source_of(folder, [b"x"]), **{"marks": WRITER, **parts}))


def due(commits: Commits) -> PendingCommit | None:
    """Take the commit that is due."""
    found = commits.next_commit()
    return None if found is None else found[1]


def reply(commits: Commits, commit: PendingCommit | None, *replies: Any) -> TargetError | None:
    """Have a commit answered; without a reply it is as expected."""
    assert commit is not None
    return commits.on_commit_reply(commit, Response(commit, plain((b"PING",)), replies or None))


def test_a_checkpoint_is_written_over_the_one_that_is_there() -> None:
    wire = checkpoint_wire(WRITER, checkpoint(9))
    assert wire.buffers == plain((b"HSET", b"etl:{j}", b"mark:2:1:ab", checkpoint(9).value)).buffers
    assert wire.expected == b":0\r\n"


def test_the_checkpoint_of_completed_blocks_is_due_once(tmp_path: Path) -> None:
    commits = commits_of(tmp_path)
    assert due(commits) is None
    commits.on_completed(checkpoint(3))
    commits.on_completed(checkpoint(5))
    commit = due(commits)
    assert commit == PendingCommit(checkpoint(5), waits=False)
    assert due(commits) is None
    assert reply(commits, commit) is None
    assert due(commits) is None


@pytest.mark.parametrize("parts", [{"marks": None}, {"fenced": True}])
def test_nothing_is_due_without_a_job_and_where_the_fence_brings_checkpoints(
    tmp_path: Path, parts: dict[str, Any]
) -> None:
    commits = commits_of(tmp_path, **parts)
    commits.on_completed(checkpoint(3))
    assert due(commits) is None


def test_replicas_are_waited_for_before_the_checkpoint_and_a_later_wait_takes_no_checkpoint_away(
    tmp_path: Path,
) -> None:
    commits = commits_of(tmp_path, replicas=2)
    commits.on_completed(checkpoint(3))
    found = commits.next_commit()
    assert found is not None
    assert found[0].buffers == plain((b"WAIT", b"2", b"1000")).buffers
    assert reply(commits, found[1], 2) is None
    commits.on_completed(checkpoint(4))
    assert due(commits) == PendingCommit(checkpoint(3), waits=False)
    assert due(commits) == PendingCommit(checkpoint(4), waits=True)


@pytest.mark.parametrize(
    ("parts", "said", "waits"),
    [
        ({"replicas": 2}, 1, True),
        ({"replicas": 2}, error_reply("LOADING"), True),
        ({}, error_reply("READONLY"), False),
    ],
)
def test_a_commit_that_is_refused_for_now_is_due_again_when_it_may_be(
    tmp_path: Path, parts: dict[str, Any], said: Any, waits: bool
) -> None:
    commits = commits_of(tmp_path, **parts)
    commits.on_completed(checkpoint(3))
    assert reply(commits, due(commits), said) is None
    assert isinstance(commits.refused, RefusedForNowError)
    assert commits.refused.reconnect == (not waits)
    assert due(commits) is None
    commits.retry()
    assert commits.refused is None
    assert due(commits) == PendingCommit(checkpoint(3), waits=waits)


def test_a_later_checkpoint_takes_the_place_of_one_that_was_refused(tmp_path: Path) -> None:
    commits = commits_of(tmp_path)
    commits.on_completed(checkpoint(3))
    first = due(commits)
    commits.on_completed(checkpoint(4))
    second = due(commits)
    reply(commits, first, error_reply("BUSY"))
    reply(commits, second)
    assert commits.refused is None
    commits.retry()
    assert due(commits) is None


@pytest.mark.parametrize(("said", "kind"), [(error_reply("NOPERM no"), TargetError), (1, JobStateLostError)])
def test_what_no_other_try_will_help_is_an_error(tmp_path: Path, said: Any, kind: type[TargetError]) -> None:
    commits = commits_of(tmp_path)
    commits.on_completed(checkpoint(3))
    assert type(reply(commits, due(commits), said)) is kind
    assert commits.refused is None


def test_a_record_that_the_server_may_evict_may_be_gone(tmp_path: Path) -> None:
    commits = commits_of(tmp_path, marks=CheckpointWriter(b"etl:{j}", 2, may_vanish=True))
    commits.on_completed(checkpoint(3))
    assert reply(commits, due(commits), 1) is None
