from __future__ import annotations

from etl.encode.resp.protocol import plain
from etl.plan import Checkpoint, CheckpointWriter
from etl.worker.commit import mark_wire


def test_a_mark_is_written_over_the_one_that_is_there() -> None:
    mark = Checkpoint(2, 1, 4, "block", block=9, token="ab")
    wire = mark_wire(CheckpointWriter(b"etl:{j}", 2), mark)
    assert wire.buffers == plain((b"HSET", b"etl:{j}", b"mark:2:1:ab", mark.value)).buffers
    assert wire.expected == b":0\r\n"
