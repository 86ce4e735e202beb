"""Responses that came in before whoever asked takes them, and the failure that came after them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from etl.errors import EtlError
from etl.plan import Response


class ResponseQueue:
    """What a session has for its caller: all responses first, as they count, and then its failure."""

    def __init__(self) -> None:
        self._responses: list[Response] = []
        self._failure: EtlError | None = None

    def __len__(self) -> int:
        return len(self._responses)

    def __iter__(self) -> Iterator[Response]:
        """Return the responses without taking them: one may tell the cause of a failure."""
        return iter(self._responses)

    @property
    def failed(self) -> bool:
        """Return True once a failure is kept."""
        return self._failure is not None

    def add(self, response: Response) -> None:
        self._responses.append(response)

    @contextlib.contextmanager
    def failure_kept(self) -> Iterator[None]:
        """Keep an EtlError that is raised inside, for ``take``; raise one that was kept before."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except EtlError as failure:
            self._failure = failure

    def take(self) -> Iterator[Response]:
        """Return the responses, the oldest first; the iterator raises what was kept after the last one."""
        responses, self._responses = self._responses, []
        yield from responses
        if self._failure is not None:
            raise self._failure
