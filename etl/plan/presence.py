"""The contract of whatever shows that a run's workers are there."""

from __future__ import annotations

from typing import Protocol


class WorkerPresence(Protocol):
    """Picklable; each worker process shows itself by it."""

    def enter_worker(self) -> None:
        """Show that a worker is here, if its parent is shown. Raises OSError where that fails."""

    def close(self) -> None:
        """Show it no longer. May be called twice."""
