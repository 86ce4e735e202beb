"""One worker process, as the parent sees it."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from etl.errors import DiedError, WorkerError
from etl.plan import Plan
from etl.run.process.feed import WorkerPipe
from etl.run.process.hide_libraries import libraries_are_hidden
from etl.run.process.hide_main import main_hidden
from etl.run.process.worker_main import SHOW_STACK, work
from etl.run.signals import WORKER_NAME, blocked_signals, signal_name
from etl.units import format_seconds
from etl.worker.messages import BlockStarted, Failed, ShardResult, Stop

SHOW_S = 0.5
"""How long a worker may take for that."""


class Child:
    """One worker process and the parent's end of its Pipe. ``message`` is its result."""

    def __init__(self, plan: Plan, worker: int, context: Any, slots: Any) -> None:
        self.worker = worker
        self.message: ShardResult | None = None
        self.connection, theirs = context.Pipe(duplex=True)
        self.pipe = WorkerPipe(self.connection)
        self.process = context.Process(
            target=work,
            args=(plan.for_worker(worker), worker, slots, theirs),
            name=f"{WORKER_NAME}{worker}",
            daemon=True,
        )
        # A forked worker has what its parent has, and the fork server its own preload.
        alone = context.get_start_method() == "spawn" and libraries_are_hidden()
        try:
            with blocked_signals(), main_hidden("etl.run.process.spawned_alone" if alone else None):
                self.process.start()
        except OSError as error:
            self.connection.close()
            raise WorkerError(f"worker {worker} cannot be started: {error.strerror}") from None
        except EOFError:  # the fork server was killed; the next attempt has another one
            self.connection.close()
            raise DiedError(
                f"worker {worker} cannot be started: the process that starts workers was killed"
            ) from None
        finally:
            theirs.close()

    @property
    def ended(self) -> bool:
        return self.process.exitcode is not None

    @property
    def closed(self) -> bool:
        """Return True if it has ended and its result, or that there is none, was noted."""
        return self.message is not None and self.ended

    def stop(self) -> None:
        """Ask the worker to end after what is in flight; a dead one does not mind."""
        self.pipe.send(Stop(), timeout_s=1.0)

    def kill(self) -> None:
        """End the worker now, and let go of it."""
        if not self.ended:
            self.process.kill()
            self.process.join()
        self.connection.close()

    def receive(self) -> None:
        """Receive what the worker sends, up to its result."""
        with contextlib.suppress(EOFError, OSError):
            while self.message is None and self.connection.poll():
                said = self.connection.recv()
                if isinstance(said, BlockStarted):
                    self.pipe.room.release()
                else:
                    self.message = said

    def end_stalled(self, stall_s: float) -> None:
        """Have a worker that makes no progress show where it stands, and end it."""
        assert self.process.pid is not None
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, SHOW_STACK)
        self.process.join(SHOW_S)
        self.process.kill()
        self.process.join()
        what = f"worker {self.worker} made no progress for {format_seconds(stall_s)} (--stall)"
        self.message = Failed(self.worker, 0.0, DiedError(f"{what}; where it stood is shown above"))

    def exit_error(self) -> WorkerError:
        """Return how a worker ended that left no result."""
        code = self.process.exitcode
        if code is not None and code < 0:
            hint = ", usually for want of memory" if -code == signal.SIGKILL else ""
            name = signal_name(-code)
            return DiedError(f"worker {self.worker} was killed by {name}{hint}", 128 - code)
        return DiedError(f"worker {self.worker} ended with exit code {code} before its shard was done")
