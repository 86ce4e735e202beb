"""What the tests of records and wires share: files and batches made by hand, wires read back as commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from etl.plan import Batch
from etl.source.storage.local import File, find_files
from etl.source.text.files import TextFiles, open_text_files
from etl.source.text.format import TextFormat
from etl.source.text.lines import Lines
from etl.template import Template, parse_template
from etl.testing.resp import parse_commands as parse_commands
from etl.testing.resp import replies_in as replies_in
from etl.testing.resp import stream_of as stream_of

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
