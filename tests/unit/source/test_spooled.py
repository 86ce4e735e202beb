"""Streams that are read more than once, by way of a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl.errors import SourceError
from etl.plan import Block, Projection, Source
from etl.source.objects.open import open_table
from etl.source.spooled import SpooledSource, spooled

RECORDS = [{"id": number, "text": "x" * (number % 50)} for number in range(2_000)]


def stream() -> Source:
    return open_table(iter(RECORDS))


def read(source: Source, block: Block) -> list[bytes]:
    reader = source.open(Projection(names=frozenset({"id"})))
    try:
        return [text for batch in reader.read(block) for text in batch.fields.column("id").to_pylist()]
    finally:
        reader.close()


def test_blocks_are_read_as_often_as_one_likes_and_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with spooled(stream(), str(path)) as source:
        assert not source.streamed
        blocks = list(source.blocks(4_000))
        assert len(blocks) > 3
        assert {block.payload for block in blocks} == {None}
        for _ in range(2):
            found = {block.number: read(source, block) for block in reversed(blocks)}
            assert [text for number in sorted(found) for text in found[number]] == [
                str(record["id"]).encode() for record in RECORDS
            ]
        assert path.stat().st_mode & 0o777 == 0o600
        (reject,) = source.open(Projection()).originals(blocks[1], [blocks[1].first_record or 0])
        assert reject.record == blocks[1].first_record
    assert os.listdir(tmp_path) == []


def test_what_is_no_stream_is_left_as_it_is(tmp_path: Path) -> None:
    plain = SpooledSource(stream(), str(tmp_path / "x"))
    with spooled(plain, str(tmp_path / "y")) as source:
        assert source is plain


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceError, match=r"the copy of the stream in .*none/spool cannot be used: No such"),
        spooled(stream(), str(tmp_path / "none" / "spool")) as source,
    ):
        list(source.blocks(4_000))
