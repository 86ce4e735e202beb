"""The contract of whatever says that a run is to stop."""

from __future__ import annotations

from typing import Protocol


class StopFlag(Protocol):
    """Says that the run is to stop; a ``threading.Event`` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it for at most ``timeout`` seconds; return True if it is set."""
