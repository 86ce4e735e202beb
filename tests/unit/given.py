"""What the tests of records and wires share: files and batches made by hand, wires read back as commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import hiredis
import pyarrow as pa

from etl.plan import Batch, Wire
from etl.sink.error_replies import error_reply
from etl.source.formats.lines import Lines
from etl.source.storage.local import File, find_files
from etl.source.text.files import TextFiles, open_text_files
from etl.source.text.format import TextFormat
from etl.template import Template, parse_template

VALUE = parse_template("{line}", option="--value")


def template(text: str) -> Template:
    return parse_template(text, option="--key")


def batch_of(lines: Sequence[bytes], first_record: int | None = 0) -> Batch:
    """Make a batch as lines are read: the field ``line``, and numbers unless ``first_record`` is None."""
    column = pa.array(lines, pa.binary())
    numbers = None if first_record is None else pa.array(range(first_record, first_record + len(lines)))
    return Batch(
        fields=pa.RecordBatch.from_arrays([column], ["line"]),
        spread=("line",),
        numbers=None if numbers is None else numbers.cast(pa.int64()),
        line=column,
    )


def stream_of(wire: Wire) -> bytes:
    """Return the bytes that go to the server."""
    return b"".join(bytes(buffer) for buffer in wire.buffers)


def replies_in(stream: bytes) -> list[Any]:
    """Parse a whole RESP stream; whatever is left over is an error."""
    reader = hiredis.Reader(replyError=error_reply)
    reader.feed(stream)
    replies = []
    while (reply := reader.gets()) is not False:
        replies.append(reply)
    assert not reader.has_data(), "the stream ends in the middle of a reply"
    return replies


def parse_commands(stream: bytes) -> list[list[bytes]]:
    """Parse a stream of commands, strictly: arrays of bulk strings and nothing else."""
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


def lines_of(data: bytes) -> list[bytes]:
    """Split as the design says, and nothing more: at \\n, and one \\r before it goes with it."""
    lines = data.split(b"\n")
    last = lines.pop()
    whole = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    return [*whole, last] if last else whole


def files_of(folder: Path, contents: Iterable[bytes]) -> tuple[File, ...]:
    """Write files and find them, in this order."""
    paths = []
    for index, content in enumerate(contents):
        path = folder / f"part-{index}.txt"
        path.write_bytes(content)
        paths.append(str(path))
    return find_files(paths)


def source_of(folder: Path, contents: Iterable[bytes], format: TextFormat | None = None) -> TextFiles:
    """Write files and make the source of them, of lines where no format is given."""
    return open_text_files(files_of(folder, contents), format or Lines())
