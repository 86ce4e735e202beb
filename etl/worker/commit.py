"""What follows blocks that are done: the command that leaves a mark."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.resp.protocol import plain
from etl.plan import Checkpoint, CheckpointWriter, Wire


def mark_wire(marks: CheckpointWriter, mark: Checkpoint) -> Wire:
    """Return the command that writes a mark, whose field is there already: so HSET answers 0."""
    return replace(plain((b"HSET", marks.key, mark.field, mark.value)), expected=b":0\r\n")
