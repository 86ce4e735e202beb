"""The bytes of one batch's commands, and the bytes that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Wire:
    """Commands ready for the socket.

    ``buffers`` are sent in order; they hold ``commands`` commands, each with one reply. ``boundaries`` tell
    whose reply is whose: the commands come in ``len(boundaries) - 1`` groups of ``commands_per_group``, and
    group ``j`` carries the records ``boundaries[j]`` up to (not including) ``boundaries[j + 1]`` of the
    batch. ``expected`` is what the server sends back when all is well: a reply stream equal to it needs no
    parsing (see NOTE(expected) in ``sink/session/pipelined.py``); None if it cannot be foretold.
    """

    buffers: tuple[Buffer, ...] = field(repr=False)
    boundaries: Sequence[int] = field(repr=False)
    expected: Buffer | None = field(repr=False)
    nbytes: int
    commands_per_group: int = 1

    @property
    def groups(self) -> int:
        return len(self.boundaries) - 1

    @property
    def commands(self) -> int:
        return self.groups * self.commands_per_group

    @property
    def records(self) -> int:
        return self.boundaries[-1]
