"""The bytes of one batch's commands, and the bytes that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Wire:
    """Commands ready for the socket.

    ``buffers`` are sent in order. Command ``j`` carries the records ``boundaries[j]`` up to (not including)
    ``boundaries[j + 1]`` of its batch. ``expected`` is what the server sends back when all is well: a reply
    stream equal to it needs no parsing (see the NOTE in ``target/conversation.py``).
    """

    buffers: tuple[Buffer, ...] = field(repr=False)
    boundaries: Sequence[int] = field(repr=False)
    expected: Buffer = field(repr=False)
    nbytes: int

    @property
    def commands(self) -> int:
        return len(self.boundaries) - 1

    @property
    def records(self) -> int:
        return self.boundaries[-1]
