"""Shards that run elsewhere: an engine has the tasks, a task a shard, and who called it waits for them here.

The engine may lose a task with its process or its machine, and runs it again by itself: a shard resumes from
its checkpoints. What a task returns is how its shard ended; that is never run again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from etl.errors import EtlError
from etl.report import Rejected
from etl.run.signals import StopSignals

LOOK_EVERY_S = 1.0
"""How often it is looked how far the shards are, and whether they are to stop."""

GRACE_S = 30.0
"""How long shards may take to end after they were asked to."""

CANCELLED_S = 10.0
"""How long the engine may take to end what was cancelled."""


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """How a shard ended: with an error (None: it is complete); ``seconds`` is the time that it took."""

    shard: int
    seconds: float = 0.0
    error: EtlError | None = None
    rejected: Rejected | None = None


ShardTask = Callable[[int], ShardEnd]
"""Loads a shard, by its number. Picklable: it is sent to where it runs, and brings no secret."""


class Engine(Protocol):
    """Runs tasks on machines of its own. ``Any`` is its handle of one: hashable."""

    def capacity(self) -> int:
        """Return how many tasks it can run at once."""

    def start(self, task: ShardTask, shard: int) -> Any:
        """Have a task run; return its handle."""

    def wait(self, handles: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """Return those that have ended by now, waiting for one of them for at most ``timeout_s`` seconds."""

    def end_of(self, handle: Any) -> ShardEnd:
        """Return what an ended task has returned. Raises EtlError where it was lost, or failed."""

    def cancel(self, handle: Any) -> None:
        """End a task at once."""

    def close(self) -> None:
        """Let go of the engine. May be called twice."""


class ShardWatch(Protocol):
    """What is done meanwhile by who has the shards run."""

    def look(self) -> None:
        """Look how far they are. Raises no error: who cannot look now looks later."""

    def ask_to_stop(self) -> None:
        """Ask all shards to end after what is in flight. Raises no error."""


@dataclass(slots=True)
class ShardLoop:
    """Runs shards, at most ``at_once`` at a time; ``run`` waits for all of them."""

    engine: Engine
    task: ShardTask
    watch: ShardWatch
    signals: StopSignals
    at_once: int

    def run(self, shards: Iterable[int]) -> list[ShardEnd]:
        """Return how the shards ended, in the order in which they did. After an error no other is begun."""
        waiting, ends = deque(shards), list[ShardEnd]()
        running: dict[Any, int] = {}
        deadline = None
        while waiting or running:
            while waiting and len(running) < self.at_once:
                shard = waiting.popleft()
                running[self.engine.start(self.task, shard)] = shard
            for handle in self.engine.wait(list(running), LOOK_EVERY_S):
                ends.append(self._end(handle, running.pop(handle)))
            self.watch.look()
            if self.signals.stopping or any(end.error is not None for end in ends):
                waiting.clear()
                if deadline is None:
                    self.watch.ask_to_stop()
                    deadline = time.monotonic() + GRACE_S
                if self.signals.now or time.monotonic() >= deadline:
                    return ends + self._cancelled(running)
        return ends

    def _end(self, handle: Any, shard: int) -> ShardEnd:
        try:
            return self.engine.end_of(handle)
        except EtlError as error:
            return ShardEnd(shard, error=error)

    def _cancelled(self, running: dict[Any, int]) -> list[ShardEnd]:
        ends = []
        for handle in running:
            self.engine.cancel(handle)
        deadline = time.monotonic() + CANCELLED_S
        while running and time.monotonic() < deadline:
            for handle in self.engine.wait(list(running), LOOK_EVERY_S):
                ends.append(self._end(handle, running.pop(handle)))
        return ends
