"""What is sent after blocks that are completed, in a cluster: a checkpoint to each node, then the job's.

See ``etl/plan/node_checkpoints.py``. Each round writes one checkpoint: first a WAIT at every node, if
replicas are asked for; then the keys of nodes that have none yet are listed in the job's state; then the
node's checkpoint at every node; and the job's at the node that has it. Blocks that are completed meanwhile
are for the next round. When a command was refused for now, the round begins again: who serves what may have
changed, and nothing of it does harm twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from etl.encode.resp.protocol import asking, plain
from etl.encode.resp.slots import slot_of, tag_of
from etl.errors import EtlError, JobStateLostError, RefusedForNowError, ServerChangedError
from etl.plan import (
    Checkpoint,
    NodeCheckpoint,
    Plan,
    Response,
    RoutedSession,
    Wire,
    slot_set,
)
from etl.plan.error_reply import Cause, ErrorReply
from etl.sink.error_replies import failure
from etl.worker.commit import PendingCommit, checkpoint_wire, replicas_missing, wait_wire


class Stage(Enum):
    """The parts of a round, in their order."""

    WAIT = 1
    LIST = 2
    NODES = 3
    JOB = 4


@dataclass(frozen=True, slots=True)
class NodeCommit(PendingCommit):
    """One command of a round; ``asking``: it is sent on to where the slot of its key goes."""

    stage: Stage = Stage.JOB
    key: bytes = b""
    asking: bool = False


class NodeCommits:
    """The commits of one worker in a cluster; the same to the shard as ``Commits``."""

    def __init__(self, plan: Plan, session: RoutedSession) -> None:
        self._plan = plan
        self._session = session
        self._writer = plan.marks
        self._completed: Checkpoint | None = None
        self._writing: Checkpoint | None = None
        self._stage = Stage.JOB
        self._due: deque[NodeCommit] = deque()
        self._unanswered = 0
        self._keys: dict[str, bytes] = {}
        self._listed: set[bytes] = set(plan.marks.node_keys if plan.marks is not None else ())
        self._written: set[bytes] = set(self._listed)
        self._avoided: set[int] = set()
        self.refused: RefusedForNowError | None = None

    def on_completed(self, checkpoint: Checkpoint) -> None:
        """Note that the worker has got as far as ``checkpoint``."""
        if self._writer is not None:
            self._completed = checkpoint

    def next_commit(self) -> tuple[Wire, PendingCommit] | None:
        """Take the command that is due; None where none is. Raises TargetError."""
        if self.refused is not None:
            return None
        if self._writing is None and self._completed is not None:
            self._begin(self._completed)
            self._completed = None
        if not self._due:
            return None
        commit = self._due.popleft()
        self._unanswered += 1
        wire = self._wire(commit)
        return asking(wire) if commit.asking else wire, commit

    def retry(self) -> None:
        """Begin the round again in which a command was refused for now."""
        if self.refused is not None:
            self.refused = None
            if self._writing is not None:
                self._begin(self._completed or self._writing)
                self._completed = None

    def on_commit_reply(self, commit: PendingCommit, response: Response) -> EtlError | None:
        """Note a response; return the error of a commit that no other try will help."""
        assert isinstance(commit, NodeCommit)
        self._unanswered -= 1
        error = self._error_of(commit, response)
        if isinstance(error, RefusedForNowError):
            self._due.clear()
            if commit.stage is Stage.LIST:
                self._listed.discard(commit.key)
            self.refused = self.refused or error
            return None
        if error is None and not self._unanswered and not self._due and self.refused is None:
            self._next_stage()
        return error

    def _begin(self, checkpoint: Checkpoint) -> None:
        self._writing = checkpoint
        self._fill(Stage.WAIT)

    def _next_stage(self) -> None:
        if self._stage is Stage.JOB:
            self._writing = None
        else:
            self._fill(Stage(self._stage.value + 1))

    def _fill(self, stage: Stage) -> None:
        """Make the commands of a stage due, or of the next one that has any."""
        assert self._writing is not None
        self._due.clear()
        while True:
            self._stage = stage
            self._due.extend(self._commits(stage, self._writing))
            if self._due:
                return
            stage = Stage(stage.value + 1)

    def _commits(self, stage: Stage, checkpoint: Checkpoint) -> Iterator[NodeCommit]:
        assert self._writer is not None
        if stage is Stage.WAIT and not self._plan.replicas:
            return
        job_node = self._session.owner(slot_of(self._writer.key))
        if stage is Stage.JOB:
            yield NodeCommit(checkpoint, False, job_node, stage, self._writer.key)
            return
        for node, ranges in self._session.slots().items():
            key = self._key(node, ranges)
            if stage is not Stage.LIST:
                yield NodeCommit(checkpoint, stage is Stage.WAIT, node, stage, key)
            elif key not in self._listed:
                self._listed.add(key)
                yield NodeCommit(checkpoint, False, job_node, stage, key)

    def _key(self, node: str, ranges: Sequence[tuple[int, int]]) -> bytes:
        """Return the key of a node's checkpoints, in one of its slots: the same as long as it has that."""
        assert self._writer is not None
        own = slot_set(ranges)
        key = self._keys.get(node) or next(
            (known for known in sorted(self._listed) if own >> slot_of(known) & 1), None
        )
        if key is None or not own >> slot_of(key) & 1 or slot_of(key) in self._avoided:
            free = (
                slot for first, last in ranges for slot in range(first, last + 1) if slot not in self._avoided
            )
            key = self._writer.node_key(tag_of(next(free, ranges[0][0])))
        self._keys[node] = key
        return key

    def _wire(self, commit: NodeCommit) -> Wire:
        assert self._writer is not None
        if commit.waits:
            return wait_wire(self._plan.replicas)
        if commit.stage is Stage.JOB:
            return checkpoint_wire(self._writer, commit.checkpoint)
        if commit.stage is Stage.LIST:
            return plain((b"HSET", self._writer.key, self._writer.node_field(commit.key), b"1"))
        identity = self._session.identity(commit.node)
        own = slot_set(self._session.slots().get(commit.node, ())) & ~self._session.unsettled()
        checkpoint = NodeCheckpoint(
            commit.checkpoint.attempt,
            commit.checkpoint.worker,
            commit.checkpoint.token,
            own,
            commit.checkpoint.block,
            self._writer.repaired,
            identity.name,
            identity.streams[0] if identity.streams else b"",
        )
        wire = plain((b"HSET", commit.key, checkpoint.field, checkpoint.value))
        return replace(wire, expected=b":0\r\n")

    def _error_of(self, commit: NodeCommit, response: Response) -> EtlError | None:
        assert self._writer is not None
        if response.replies is None:
            return None
        reply = response.replies[-1]
        if isinstance(reply, ErrorReply):
            return self._refusal(commit, reply)
        if commit.waits:
            return replicas_missing(commit.node, reply, self._plan.replicas)
        if commit.stage is Stage.JOB and reply and not self._writer.may_vanish:
            return JobStateLostError(
                f"{self._plan.target}: the record of this job was removed while the run went on; start again"
            )
        if commit.stage is Stage.NODES:
            if reply and commit.key in self._written and not self._writer.may_vanish:
                return ServerChangedError(f"{commit.node} has lost its checkpoints: maybe also other keys")
            self._written.add(commit.key)
        return None

    def _refusal(self, commit: NodeCommit, reply: ErrorReply) -> EtlError | None:
        """Return the error of a command that was refused; None where it is due at another node."""
        there = self._session.redirected(reply, commit.node)
        if commit.stage is Stage.NODES:
            if reply.policy.cause in (Cause.ASK, Cause.SPLIT):
                self._avoided.add(slot_of(commit.key))
        elif there is not None and not commit.asking:
            self._due.appendleft(replace(commit, node=there, asking=True))
            return None
        return failure(reply, commit.node)
