from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc
import pytest

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Projection, Source
from etl.source.formats import arrow
from tests.unit.source.reading import read


def write(path: Path, *tables: pa.Table, chunk: int = 1 << 20) -> None:
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_stream(sink, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table, max_chunksize=chunk)


def source_of(*paths: Path) -> Source:
    return arrow.open([os.fspath(path) for path in paths], LoadOptions())


def test_a_stream_is_read_in_blocks_that_the_parent_cuts(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": range(10_000)}), chunk=700)
    source = source_of(tmp_path / "a.arrows")
    assert source.streamed
    assert source.fields == ("id",)
    blocks = list(source.blocks(8_000))
    assert len(blocks) > 5
    assert all(block.payload is not None and len(block.payload) < 20_000 for block in blocks)
    assert read(source, 8_000) == [{"id": str(index).encode()} for index in range(10_000)]


def test_bytes_of_the_blocks_add_up_to_no_more_than_the_files(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": range(10_000)}), chunk=700)
    source = source_of(tmp_path / "a.arrows")
    size = (tmp_path / "a.arrows").stat().st_size
    total = sum(block.nbytes for block in source.blocks(8_000))
    assert source.nbytes == size
    assert 0.99 * size < total <= size


def test_a_stream_can_be_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": [1, 2]}))
    source = source_of(tmp_path / "a.arrows")
    assert read(source) == read(source) == [{"id": b"1"}, {"id": b"2"}]


def test_several_streams_may_have_different_columns(tmp_path: Path) -> None:
    write(tmp_path / "1.arrows", pa.table({"a": [1]}))
    write(tmp_path / "2.arrows", pa.table({"b": ["x"]}))
    source = source_of(tmp_path)
    assert source.fields == ("a", "b")
    assert read(source) == [{"a": b"1"}, {"b": b"x"}]
    first, second = source.blocks(1 << 20)
    assert [source.name_of(block) for block in (first, second)] == [
        str(tmp_path / f"{n}.arrows") for n in "12"
    ]


def test_dictionaries_that_change_within_a_stream_are_heeded(tmp_path: Path) -> None:
    tables = [pa.table({"x": pa.array([f"{n}a", f"{n}b"]).dictionary_encode()}) for n in range(3)]
    write(tmp_path / "a.arrows", *tables)
    assert [record["x"] for record in read(source_of(tmp_path / "a.arrows"))] == [
        f"{n}{letter}".encode() for n in range(3) for letter in "ab"
    ]


def test_a_record_is_found_again(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": range(100), "x": ["y"] * 100}), chunk=7)
    source = source_of(tmp_path / "a.arrows")
    block = list(source.blocks(300))[1]
    assert block.first_record is not None
    reader = source.open(Projection(names=frozenset({"id"})))
    (reject,) = reader.originals(block, [block.first_record + 3])
    assert reject.record == block.first_record + 3
    assert reject.raw == f'{{"id":{reject.record},"x":"y"}}'.encode()
    assert (reject.file, reject.offset) == (str(tmp_path / "a.arrows"), None)


def test_a_stream_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": range(10_000)}), chunk=1000)
    data = (tmp_path / "a.arrows").read_bytes()
    (tmp_path / "a.arrows").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"a\.arrows cannot be read as Arrow"):
        read(source_of(tmp_path / "a.arrows"))


def test_a_stream_that_changes_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": range(10_000)}), chunk=1000)
    source = source_of(tmp_path / "a.arrows")
    os.utime(tmp_path / "a.arrows", ns=(1, 1))
    with pytest.raises(SourceError, match="was written to"):
        read(source)
    with pytest.raises(SourceError, match="was written to"):
        source.verify_unchanged()


def test_a_file_with_a_table_of_contents_is_not_streamed(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"id": [1]}), tmp_path / "a.arrow")
    source = source_of(tmp_path / "a.arrow")
    assert not source.streamed
    assert read(source) == [{"id": b"1"}]


def test_both_kinds_at_once_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.arrows", pa.table({"id": [1]}))
    feather.write_feather(pa.table({"id": [1]}), tmp_path / "b.arrow")
    with pytest.raises(SourceError, match="load the two kinds apart"):
        source_of(tmp_path)
