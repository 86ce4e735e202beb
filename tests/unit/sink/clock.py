"""Time for what waits, in tests without any."""

from __future__ import annotations


class Clock:
    """Time that passes only in pauses, and a StopFlag: ``stops_at`` is when the run is told to stop."""

    def __init__(self, stops_at: float = 1e9) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._stops_at = stops_at

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self._stops_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self.now += timeout
        return self.is_set()
