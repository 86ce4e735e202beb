"""Which workers have stalled: neither counted anything nor computed anything for a while. Pure.

NOTE(stalls): what ends a worker for good is something outside of it that never comes: a disk, a lock, a
signal that stopped it. Slow work of its own is none of these, however long it takes
(the originals of a million rejects, a block of one huge record), so one that uses processor time goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

WORKING_SHARE = 0.02
"""Of the time: so much of a processor tells work from a thread that only wakes up to look around."""

_LOOKS = 4
"""How often processor time is compared within the time that a stall takes."""


@dataclass(slots=True)
class _Seen:
    progress: int
    progress_at: float
    cpu_ms: int
    cpu_at: float


class StallClock:
    """Tells which workers have stalled; ``stall_s`` is how many seconds that takes."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._seen: dict[int, _Seen] = {}

    def stalled(self, worker: int, *, progress: int, cpu_ms: int, waits: bool, now: float) -> bool:
        """Return True if a worker has stalled by ``now`` (monotonic seconds); see NOTE(stalls).

        ``progress`` grows with what it gets done, ``cpu_ms`` with the processor time that it has used.
        ``waits``: it waits for its server, its stream or its rate, for which others are answerable.
        """
        seen = self._seen.get(worker)
        if seen is None or waits or seen.progress != progress:
            self._seen[worker] = _Seen(progress, now, cpu_ms, now)
            return False
        elapsed_s = now - seen.cpu_at
        if elapsed_s >= self._stall_s / _LOOKS:
            if cpu_ms - seen.cpu_ms >= WORKING_SHARE * 1000 * elapsed_s:
                seen.progress_at = now
            seen.cpu_ms, seen.cpu_at = cpu_ms, now
        return now - seen.progress_at >= self._stall_s
