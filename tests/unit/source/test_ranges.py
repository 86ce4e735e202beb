"""Ranges: the blocks of a file cover it, each once, in order, and end at line breaks."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import RejectedError, SourceError
from etl.plan import Block
from etl.source import ranges
from etl.source.ranges import cut
from tests.unit.given import files_of, lines_of

SMALL = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", b"word"]), max_size=40
).map(b"".join)


def blocks_of(contents: list[bytes], block_bytes: int, *, numbered: bool = True) -> list[Block]:
    with tempfile.TemporaryDirectory() as folder:
        return list(cut(files_of(Path(folder), contents), block_bytes, numbered=numbered))


@given(st.lists(SMALL, min_size=1, max_size=3), st.integers(1, 70))
def test_blocks_cover_every_file_once_and_end_at_line_breaks(contents: list[bytes], block_bytes: int) -> None:
    blocks = blocks_of(contents, block_bytes)
    assert [block.number for block in blocks] == list(range(len(blocks)))
    for index, content in enumerate(contents):
        own = [block for block in blocks if block.file == index]
        assert b"".join(content[block.start : block.stop] for block in own) == content
        assert all(before.stop == after.start for before, after in pairwise(own))
        assert all(block.start < block.stop for block in own)
        assert all(content[block.stop - 1] == ord("\n") for block in own[:-1])
    assert [block.file for block in blocks] == sorted(block.file for block in blocks)


@given(st.lists(SMALL, min_size=1, max_size=3), st.integers(1, 70))
def test_a_block_knows_the_number_of_its_first_record_through_all_files(
    contents: list[bytes], block_bytes: int
) -> None:
    number = 0
    for block in blocks_of(contents, block_bytes):
        assert block.first_record == number
        number += len(lines_of(contents[block.file][block.start : block.stop]))
    assert number == sum(len(lines_of(content)) for content in contents)


@given(st.lists(SMALL, min_size=1, max_size=3), st.integers(1, 70))
def test_blocks_are_the_same_ones_whether_records_are_counted_or_not(
    contents: list[bytes], block_bytes: int
) -> None:
    def places(blocks: list[Block]) -> list[tuple[int, int, int, int]]:
        return [(block.number, block.file, block.start, block.stop) for block in blocks]

    uncounted = blocks_of(contents, block_bytes, numbered=False)
    assert places(uncounted) == places(blocks_of(contents, block_bytes))
    assert all(block.first_record is None for block in uncounted)


@given(st.integers(1, 30), st.integers(1, 40))
def test_cuts_do_not_drift_so_that_lines_shorter_than_a_block_give_a_block_a_multiple(
    width: int, lines: int
) -> None:
    content = (b"x" * (width - 1) + b"\n") * lines
    for block_bytes in (width, width + 1, 2 * width - 1):
        multiples, rest = divmod(len(content), block_bytes)
        assert multiples <= len(blocks_of([content], block_bytes)) <= multiples + bool(rest)


@pytest.fixture
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines far longer than the pieces that are looked at."""
    monkeypatch.setattr(ranges, "_SCAN_BYTES", 7)
    monkeypatch.setattr(ranges, "_FIRST_LOOK_BYTES", 3)


@pytest.mark.usefixtures("tiny_pieces")
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("block_bytes", [1, 2, 7, 20, 64, 1000])
def test_a_line_longer_than_what_is_looked_at_at_once_is_found_whole(
    tmp_path: Path, end: bytes, block_bytes: int
) -> None:
    content = b"a\n" + b"b" * 50 + b"\n" + b"c" * 21 + b"\n\n" + b"d" * 14 + end
    blocks = list(cut(files_of(tmp_path, [content]), block_bytes, numbered=True))
    assert b"".join(content[block.start : block.stop] for block in blocks) == content
    assert [block.first_record for block in blocks] == [
        len(lines_of(content[: block.start])) for block in blocks
    ]
    assert all(content[block.stop - 1] == ord("\n") for block in blocks[:-1])


def test_an_empty_file_has_no_block() -> None:
    assert blocks_of([b""], 10) == []
    blocks = blocks_of([b"", b"a\n", b"", b"b"], 10)
    assert [(block.number, block.file) for block in blocks] == [(0, 1), (1, 3)]


def test_a_line_longer_than_redis_takes_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "MAX_RECORD_BYTES", 100)
    files = files_of(tmp_path, [b"short\n" + b"x" * 150 + b"\nshort\n"])
    with pytest.raises(RejectedError, match=r"part-0.txt: the line that ends at byte 157 is over 100 bytes"):
        list(cut(files, 10, numbered=False))


def test_a_file_that_changed_since_it_was_found_is_noticed(tmp_path: Path) -> None:
    files = files_of(tmp_path, [b"a\nb\n"])
    Path(files[0].path).write_bytes(b"a\nb\nc\n")
    with pytest.raises(SourceError, match="grew from 4 to 6 bytes"):
        list(cut(files, 2, numbered=True))
