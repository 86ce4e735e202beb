"""Pipes as sources: what a shell makes of ``<(command)``, and named ones."""

from __future__ import annotations

import gzip
import os
import pickle
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.errors import SourceError, UsageError
from etl.options import LoadOptions
from etl.plan import Projection
from etl.source.choose import choose_source
from etl.source.text.stream import TextStream


def lines_of(source: Any) -> list[bytes]:
    """Read a source as workers do: by copies of it, which hold no pipe."""
    lines: list[bytes] = []
    for block in source.blocks(10):
        with closing(pickle.loads(pickle.dumps(source)).open(Projection(all=True))) as reader:  # noqa: S301
            for batch in reader.read(block):
                lines += batch.fields.column(0).to_pylist()
    return lines


def process_substitution(data: bytes) -> tuple[str, int]:
    """Return the path and the descriptor of a pipe with data in it, as a shell gives them."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return f"/dev/fd/{reading}", reading


def test_pipes_of_a_shell_are_read_one_after_the_other() -> None:
    pipes = [process_substitution(data) for data in (b"a\nb\n", gzip.compress(b"c\n" * 20), b"")]
    try:
        source = choose_source([path for path, _ in pipes], LoadOptions())
        assert isinstance(source, TextStream)
        assert source.nbytes is None
        assert source.fingerprint is None
        assert source.names == tuple(path for path, _ in pipes)
        assert lines_of(source) == [b"a", b"b", *[b"c"] * 20]
        with pytest.raises(SourceError, match=r"/dev/fd/\d+ can be read only once: save it to a file"):
            lines_of(source)
    finally:
        for _, descriptor in pipes:
            os.close(descriptor)


def test_a_named_pipe_is_waited_for_until_somebody_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"x,y\n1,2\n",))
    writer.start()
    source = choose_source([path], LoadOptions(format="csv"))
    writer.join()
    assert isinstance(source, TextStream)
    assert source.fields == ("x", "y")
    (block,) = source.blocks(100)
    assert source.name_of(block) == str(path)
    assert block.payload == b"1,2\n"


def test_a_pipe_is_given_once_and_holds_no_table(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is given twice"):
        choose_source([path, path], LoadOptions())
    with pytest.raises(SourceError, match="is a pipe, not a regular file"):
        choose_source([path], LoadOptions(format="parquet"))
