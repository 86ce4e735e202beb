"""The loop of the parent: it receives from all workers and ends them."""

from __future__ import annotations

import time
from multiprocessing.connection import wait
from typing import Any

from etl.errors import EtlError
from etl.plan import Plan
from etl.report import Counters
from etl.run.process.child import Child
from etl.run.process.feed import Feeder
from etl.run.process.stalls import StallClock
from etl.run.signals import StopSignals
from etl.worker.messages import Failed, ShardResult

LOOK_EVERY_S = 5.0
"""How often the parent looks whether its workers make progress."""


GRACE_S = 10.0
"""How long workers may take to end after a failure elsewhere, before they are killed."""


class Supervisor:
    """Starts every worker, waits for all of them, and ends them together."""

    def __init__(self, plan: Plan, context: Any, slots: Any, signals: StopSignals) -> None:
        self._plan = plan
        self._context = context
        self._cells = slots
        self._signals = signals
        self._children: list[Child] = []
        self._results: list[ShardResult] = []
        self._told_to_stop = False
        self._deadline: float | None = None
        self._feeder: Feeder | None = None
        self._stalls = StallClock(plan.stall_s or 0.0)

    def run(self) -> list[ShardResult]:
        """Run all shards to their end.

        Returns each worker's result (a Failed one for a silent death) in the order in which they came: the
        first failure is the cause of those that follow it.
        """
        for worker in range(self._plan.busy_workers()):
            self._children.append(Child(self._plan, worker, self._context, self._cells))
        if self._plan.blocks is None:
            self._feeder = Feeder(self._plan, [child.pipe for child in self._children])
            self._feeder.start()
        while open_children := [child for child in self._children if not child.closed]:
            self._wait(open_children)
            self.step(time.monotonic())
        return self._results + self._feeder_result()

    def step(self, now: float) -> None:
        """Act on what workers have sent and signals ask. ``now`` is a monotonic time in seconds."""
        for child in self._children:
            self._attend(child)
        self._end_stalled(now)
        if self._signals.now or (self._deadline is not None and now > self._deadline):
            self._end_at_once()
        elif self._signals.stopping or self._failed() or self._starved():
            self._stop_all(now)
        elif all(child.message for child in self._children):
            self._stop_all(now)  # worker 0 has been drawing for the others

    def _end_stalled(self, now: float) -> None:
        stall_s = self._plan.stall_s
        if stall_s is None or self._told_to_stop:
            return
        counters = Counters(self._cells, self._plan.workers)
        for child in self._children:
            waits = counters.of(child.worker, "idle") or counters.of(child.worker, "waiting")
            stalled = self._stalls.stalled(
                child.worker,
                progress=counters.progress(child.worker),
                cpu_ms=counters.of(child.worker, "cpu_ms"),
                waits=child.message is not None or bool(waits),
                now=now,
            )
            if stalled:
                child.end_stalled(stall_s)
                assert child.message is not None
                self._results.append(child.message)

    def _feeder_result(self) -> list[ShardResult]:
        error = self._feeder.error if self._feeder is not None else None
        if error is None:
            return []
        if not isinstance(error, EtlError):
            raise error
        return [Failed(0, 0.0, error)]

    def kill(self) -> None:
        """End every worker that is left, however the run ends."""
        if self._feeder is not None:
            self._feeder.stop()
            self._feeder.ended.close()
        for child in self._children:
            child.kill()

    def _running(self) -> list[Child]:
        return [child for child in self._children if not child.ended]

    def _failed(self) -> bool:
        return any(isinstance(child.message, Failed) for child in self._children)

    def _starved(self) -> bool:
        return self._feeder is not None and self._feeder.error is not None

    def _wait(self, children: list[Child]) -> None:
        # Those that were open when it was decided to wait: one that ends meanwhile ends the wait.
        sources: list[Any] = [child.process.sentinel for child in children]
        sources += [child.connection for child in children if child.message is None]
        wakeup = self._signals.wakeup()
        if wakeup is not None:
            sources.append(wakeup)
        if self._feeder is not None and self._feeder.is_alive():
            sources.append(self._feeder.ended)
        timeout = None if self._deadline is None else max(0.0, self._deadline - time.monotonic()) + 0.01
        if self._plan.stall_s is not None:
            timeout = min(self._plan.stall_s / 4, LOOK_EVERY_S, timeout if timeout is not None else 60)
        wait(sources, timeout)
        self._signals.acknowledge()

    def _attend(self, child: Child) -> None:
        if child.message is not None:
            return
        ended = child.ended  # asked first: what it said before it ended is in the Pipe by now
        child.receive()
        if ended and child.message is None:
            child.message = Failed(child.worker, 0.0, self._fate(child))
        if child.message is not None:
            self._results.append(child.message)

    def _fate(self, child: Child) -> EtlError:
        # A signal to the whole group may end a worker that does not ignore it yet.
        return self._signals.error() if self._signals.stopping else child.exit_error()

    def _stop_all(self, now: float) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            if self._feeder is not None:
                self._feeder.stop()
            for child in self._children:
                child.stop()
        if self._failed() and self._deadline is None:
            self._deadline = now + GRACE_S

    def _end_at_once(self) -> None:
        for child in self._running():
            child.process.kill()
            child.process.join()
            self._attend(child)
