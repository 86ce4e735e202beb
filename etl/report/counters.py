"""Counters of all workers, in cells that processes may share."""

from __future__ import annotations

from collections.abc import MutableSequence

COUNTERS = (
    "records_read",
    "records_written",
    "records_skipped",
    "records_rejected",
    "records_superseded",
    "records_equal",
    "records_missing",
    "records_different",
    "blocks_done",
    "bytes_done",
    "finished",
    "waiting",
    "sent",
    "idle",
    "cpu_ms",
    "dropped_ns",
)
"""The counters of one worker, in the order of their cells.

``waiting``: it waits for a server that refuses for now. ``sent``: what a rate counts. ``idle``: it has
nothing to do just now: no block of the stream, or others wait, or the rate does not allow it. ``cpu_ms``:
milliseconds of processor time it has used. ``dropped_ns``: nanoseconds of a rate's allowance that it found
unused and dropped, since the start and for all workers.
"""


_CELL = {name: cell for cell, name in enumerate(COUNTERS)}


class Counters:
    """Counters of all workers, in cells that processes may share.

    Each worker adds to its own cells only, so no lock is needed; anybody may read all of them. Behind the
    workers' cells are those of what was done before this run: they are part of every total.
    """

    def __init__(self, slots: MutableSequence[int], workers: int) -> None:
        self.slots = slots
        self.workers = workers

    @staticmethod
    def size(workers: int) -> int:
        """Return the number of cells for so many workers."""
        return (workers + 1) * len(COUNTERS)

    def set(self, worker: int, counter: str, count: int) -> None:
        """Set a counter of a worker that is not running; ``worker`` may be ``workers``, for earlier runs."""
        self.slots[worker * len(COUNTERS) + _CELL[counter]] = count

    def clear(self) -> None:
        """Set every counter to 0, while no worker is running; workers that are paused stay so."""
        paused = self.of(self.workers, "waiting")
        for cell in range(len(self.slots)):
            self.slots[cell] = 0
        self.set(self.workers, "waiting", paused)

    def add(self, worker: int, counter: str, count: int) -> None:
        self.slots[worker * len(COUNTERS) + _CELL[counter]] += count

    def pause(self, paused: bool) -> None:
        """Have all workers wait before their next block, or let them go."""
        self.set(self.workers, "waiting", int(paused))

    def paused(self, worker: int) -> bool:
        """Return True if this worker is to wait: all are paused, or another one waits for the server."""
        return any(self.of(other, "waiting") for other in range(self.workers + 1) if other != worker)

    def of(self, worker: int, counter: str) -> int:
        return self.slots[worker * len(COUNTERS) + _CELL[counter]]

    def total(self, counter: str) -> int:
        return sum(self.of(worker, counter) for worker in range(self.workers + 1))

    def highest(self, counter: str) -> int:
        return max(self.of(worker, counter) for worker in range(self.workers + 1))

    def progress(self, worker: int) -> int:
        """Return a number that grows with whatever a worker gets done."""
        names = ("records_read", "blocks_done", "bytes_done", "sent")
        return sum(self.of(worker, name) for name in names)

    def finished(self) -> bool:
        """Return True if every worker has ended its shard."""
        return self.total("finished") == self.workers
