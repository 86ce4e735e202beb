"""A worker process that cannot be started: in one sentence, and tried again where that may help."""

from __future__ import annotations

import multiprocessing
from types import SimpleNamespace
from typing import Any

import pytest

from etl.errors import WorkerError
from etl.run.process.child import Child


class Refused:
    """A multiprocessing context whose processes fail to start with ``error``."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.Pipe = multiprocessing.Pipe

    def get_start_method(self) -> str:
        return "forkserver"

    def Process(self, **_: Any) -> Any:  # noqa: N802 - as multiprocessing has it
        def start() -> None:
            raise self._error

        return SimpleNamespace(start=start)


@pytest.mark.parametrize(
    ("error", "says", "again"),
    [
        (OSError(11, "Resource temporarily unavailable"), "Resource temporarily unavailable", False),
        (EOFError("unexpected EOF"), "the process that starts workers was killed", True),
    ],
)
def test_it_is_an_error_that_says_why(error: Exception, says: str, again: bool) -> None:
    plan: Any = SimpleNamespace(for_worker=lambda worker: None)
    with pytest.raises(WorkerError, match=f"worker 3 cannot be started: {says}") as raised:
        Child(plan, 3, Refused(error), None)
    assert raised.value.restartable is again
