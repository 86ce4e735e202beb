"""What is sent after blocks that are completed: a WAIT for replicas, if asked for, and the checkpoint.

Nothing is sent here: ``next_commit`` returns what is due, the shard sends it, and tells of the response. The
replies to commits come in their order, and a later checkpoint says all that an earlier one does: so one that
was refused for now is only sent again as long as no later one takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.encode.resp.protocol import plain
from etl.errors import JobStateLostError, RefusedForNowError, TargetError
from etl.plan import Checkpoint, CheckpointWriter, Plan, Response, Wire
from etl.plan.error_reply import ErrorReply
from etl.sink.error_replies import failure

REPLICAS_WAIT_MS = b"1000"


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A checkpoint to be written; with ``waits`` the replicas must have what it speaks of, which is first.

    ``node`` is where, in a cluster.
    """

    checkpoint: Checkpoint
    waits: bool
    node: str = ""


class Commits:
    """The commits of one worker.

    ``refused`` is why the newest one was refused for now; None where none waits to be sent again.
    """

    def __init__(self, plan: Plan) -> None:
        self._target = plan.target
        self._replicas = plan.replicas
        self._writer = None if plan.fenced else plan.marks  # a fenced piece brings its checkpoint with it
        self._to_write: PendingCommit | None = None
        self._to_wait_for: PendingCommit | None = None
        self._to_retry: PendingCommit | None = None
        self.refused: RefusedForNowError | None = None

    def on_completed(self, checkpoint: Checkpoint) -> None:
        """Note that the worker has got as far as ``checkpoint``."""
        if self._replicas:
            self._to_wait_for = PendingCommit(checkpoint, waits=True)
        elif self._writer is not None:
            self._to_write = PendingCommit(checkpoint, waits=False)
        self._forget_refusal()

    def next_commit(self) -> tuple[Wire, PendingCommit] | None:
        """Take the commit that is due, with its command; None where none is."""
        commit = self._to_write or self._to_wait_for
        if commit is None:
            return None
        if self._to_write is not None:
            self._to_write = None
        else:
            self._to_wait_for = None
        return self._wire(commit), commit

    def _wire(self, commit: PendingCommit) -> Wire:
        if commit.waits:
            return wait_wire(self._replicas)
        assert self._writer is not None
        return checkpoint_wire(self._writer, commit.checkpoint)

    def retry(self) -> None:
        """Make the commit due again that was refused for now."""
        commit = self._to_retry
        self._forget_refusal()
        if commit is not None and commit.waits:
            self._to_wait_for = commit
        elif commit is not None:
            self._to_write = commit

    def on_commit_reply(self, commit: PendingCommit, response: Response) -> TargetError | None:
        """Note a response; return the error of a commit that no other try will help."""
        error = self._error_of(commit, response)
        if error is None:
            self._forget_refusal()
            if commit.waits and self._writer is not None:
                self._to_write = replace(commit, waits=False)
        elif isinstance(error, RefusedForNowError):
            self._to_retry, self.refused = commit, error
            return None
        return error

    def _error_of(self, commit: PendingCommit, response: Response) -> TargetError | None:
        if response.replies is None:
            return None
        (reply,) = response.replies
        if isinstance(reply, ErrorReply):
            return failure(reply, self._target)
        if commit.waits:
            return replicas_missing(self._target, reply, self._replicas)
        assert self._writer is not None
        if reply and not self._writer.may_vanish:  # a field was added, where there was one to change
            return JobStateLostError(
                f"{self._target}: the record of this job was removed while the run went on; start again"
            )
        return None

    def _forget_refusal(self) -> None:
        self._to_retry = self.refused = None


def wait_wire(replicas: int) -> Wire:
    """Return the command that waits until so many replicas have what was written on this connection."""
    return plain((b"WAIT", b"%d" % replicas, REPLICAS_WAIT_MS))


def replicas_missing(target: object, found: int, wanted: int) -> RefusedForNowError | None:
    """Return the error of a WAIT that ``found`` replicas have answered; None where that is enough."""
    if found >= wanted:
        return None
    return RefusedForNowError(f"{target}: {found} of {wanted} replicas have the data (--wait-replicas)")


def checkpoint_wire(writer: CheckpointWriter, checkpoint: Checkpoint) -> Wire:
    """Return what writes a checkpoint: a command, or name and value for a journal.

    Its field is there already: so HSET answers 0.
    """
    if writer.in_journal:
        pair = (checkpoint.field, checkpoint.value)
        return Wire(pair, boundaries=(0,), expected=None, nbytes=sum(map(len, pair)))
    wire = plain((b"HSET", writer.key, checkpoint.field, checkpoint.value))
    return replace(wire, expected=b":0\r\n")
