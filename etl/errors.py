"""Whose fault an error is, and the exit code that says so.

The type alone tells: callers never parse a message. Every message says what happened, where, and what
to do. All of them pickle (one string argument), because they travel from a worker to its parent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.report import Report


class EtlError(Exception):
    """Base of everything this package raises for causes outside of it.

    ``report`` is what had been done when the run ended, or None when it had not begun.
    """

    exit_code = 70
    status = "failed"
    report: Report | None = None

    restartable = False
    """Whether the run may go on by itself, from its marks."""


class UsageError(EtlError):
    """The options contradict each other or name something that does not exist."""

    exit_code = 2


class MissingExtraError(UsageError):
    """An optional library is not installed; the message names the ``pip install``."""


class SourceError(EtlError):
    """The input is missing, unreadable, of the wrong kind, or changed while it was read."""

    exit_code = 3


class TargetError(EtlError):
    """The server is unreachable, refused, full, or answered with an error."""

    exit_code = 4


class WrongTypeError(TargetError):
    """A key holds a value of another type than the command is for."""


class TransientError(TargetError):
    """What may go well another time.

    ``limit_s`` is for how long it is tried again, in seconds, where that is shorter than ``--retry-for``.
    """

    limit_s: float | None = None

    def given_up(self, message: str) -> TargetError:
        """Return the error of who has tried again for long enough."""
        return TargetError(message)


class RefusedForNowError(TransientError):
    """An error reply that another try may not get.

    ``reconnect``: by now the server's name may lead to another one, that would not give it.
    """

    def __init__(self, message: str, limit_s: float | None = None, *, reconnect: bool = False) -> None:
        super().__init__(message)
        self.limit_s = limit_s
        self.reconnect = reconnect


class LostError(TransientError):
    """A connection broke or fell silent, or could not be made: what it had not answered for is unknown."""


class UnreachedError(LostError):
    """Nobody has taken the connection: more likely a wrong address, where it never went well before."""


class BrokenHandshakeError(LostError):
    """The connection was taken, and broke or fell silent before the server had let us in."""


class HungUpError(LostError):
    """The server ends each connection upon a question: some say in this way that they do not know it."""

    def given_up(self, message: str) -> TargetError:
        return HungUpError(message)


class LoadingError(LostError):
    """The server is there and loads its data set."""


class JobStateLostError(TargetError):
    """The record of the job vanished while the run went on: so others of its keys may have."""


class ServerChangedError(TargetError):
    """The server was restarted, or is another one: it may have lost what it had answered for."""

    restartable = True


class StoppedError(EtlError):
    """A wait was given up because the run is to stop: ends a shard, and is no failure of it."""


class LockedError(EtlError):
    """Another run of the same job is going on, or this run has lost its lock to one."""

    exit_code = 6


class RejectedError(EtlError):
    """More records were refused than allowed; the message names the record, its file and the reason."""

    exit_code = 5
    status = "incomplete"


class WorkerError(EtlError):
    """A worker process ended on its own: killed by a signal, or it could not even start.

    Killed by signal ``n``: exit code ``128 + n``, as a shell has it. Else 70 (``EX_SOFTWARE``).
    """

    def __init__(self, message: str, exit_code: int = 70) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class DiedError(WorkerError):
    """A worker process died, or was ended because it made no progress."""

    restartable = True


class InterruptedRunError(EtlError):
    """The run was stopped by a signal (``signal_number``); the exit code is 128 more, as a shell has it."""

    status = "interrupted"

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message, signal_number)
        self.exit_code = 128 + signal_number

    def __str__(self) -> str:
        return str(self.args[0])


class LimitError(EtlError):
    """A limit that the system sets to this process is too low (``ulimit``). Exit code: ``EX_OSERR``."""

    exit_code = 71


class InternalError(EtlError):
    """A bug of this program in a worker; the message is that worker's traceback."""

    exit_code = 70
