"""RESP read strictly: what an encoder writes, and what a server answers."""

from __future__ import annotations

from typing import Any

import hiredis

from etl.plan import Wire
from etl.sink.error_replies import error_reply


def stream_of(wire: Wire) -> bytes:
    """Return the bytes that go to the server."""
    return b"".join(bytes(buffer) for buffer in wire.buffers)


def parse_commands(stream: bytes) -> list[list[bytes]]:
    """Return the commands of a stream: arrays of bulk strings and nothing else, as AssertionError insists."""
    commands = []
    position = 0
    while position < len(stream):
        count, position = _header(stream, position, b"*")
        command = []
        for _ in range(count):
            length, position = _header(stream, position, b"$")
            command.append(stream[position : position + length])
            position += length + 2
            assert stream[position - 2 : position] == b"\r\n"
        commands.append(command)
    assert position == len(stream)
    return commands


def _header(stream: bytes, position: int, kind: bytes) -> tuple[int, int]:
    assert stream[position : position + 1] == kind, stream[position : position + 20]
    end = stream.index(b"\r\n", position)
    digits = stream[position + 1 : end]
    assert digits == b"%d" % int(digits), f"{digits!r} is no plain number"
    return int(digits), end + 2


def replies_in(stream: bytes) -> list[Any]:
    """Return the replies of a whole RESP stream; whatever is left over is an error."""
    reader = hiredis.Reader(replyError=error_reply)
    reader.feed(stream)
    replies = []
    while (reply := reader.gets()) is not False:
        replies.append(reply)
    assert not reader.has_data(), "the stream ends in the middle of a reply"
    return replies
