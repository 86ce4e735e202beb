"""The contract of a Source (``etl/plan.py``), for every format: a new one is a new line in FORMATS."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Block, Source
from etl.source.lines import LinesSource
from tests.unit.given import files_of

Records = list[dict[str, bytes]]


@dataclass(frozen=True)
class Format:
    """One format: how records of it are drawn, and how files of it (a list of records each) are written."""

    name: str
    record: st.SearchStrategy[dict[str, bytes]]
    write: Callable[[Path, list[Records]], Source]


def write_lines(end: bytes, *, strip: bool = False) -> Callable[[Path, list[Records]], Source]:
    def write(folder: Path, files: list[Records]) -> Source:
        contents = [b"".join(record["line"] + end for record in records) for records in files]
        return LinesSource(files_of(folder, contents), strip=strip)

    return write


LINE = st.binary(max_size=12).map(lambda line: {"line": line.replace(b"\n", b"").rstrip(b"\r")})
BARE_LINE = st.text("aü€0\0", max_size=6).map(lambda line: {"line": line.encode()})

FORMATS = [
    Format("lines", LINE, write_lines(b"\n")),
    Format("lines-crlf", LINE, write_lines(b"\r\n")),
    Format("lines-strip", BARE_LINE, write_lines(b" \t\r\n", strip=True)),
]


@pytest.fixture(params=FORMATS, ids=lambda form: form.name)
def form(request: pytest.FixtureRequest) -> Format:
    assert isinstance(request.param, Format)
    return request.param


def some(form: Format, folder: Path) -> tuple[Source, list[Records]]:
    """Write two files with some records and an empty one between them."""
    shapes: list[Records] = [[{"line": b"%d" % n} for n in range(50)], [], [{"line": b"last"}] * 30]
    return form.write(folder, shapes), shapes


def read(source: Source, blocks: list[Block]) -> list[pa.RecordBatch]:
    with closing(source.open()) as reader:
        return [batch for block in blocks for batch in reader.read(block)]


def records_in(source: Source, batches: list[pa.RecordBatch]) -> Records:
    return [
        {name: batch.column(name)[row].as_py() for name in source.fields}
        for batch in batches
        for row in range(batch.num_rows)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), block_bytes=st.integers(1, 60))
def test_every_record_is_read_once_in_order_whatever_the_block_size(
    form: Format, data: st.DataObject, block_bytes: int
) -> None:
    files = data.draw(st.lists(st.lists(form.record, max_size=12), min_size=1, max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        source = form.write(Path(folder), files)
        blocks = list(source.blocks(block_bytes, numbered=True))
        batches = read(source, blocks)
    expected = [record for records in files for record in records]
    assert records_in(source, batches) == expected
    numbers = [number for batch in batches for number in batch.column("#").to_pylist()]
    assert numbers == list(range(len(expected)))


def test_blocks_are_numbered_never_empty_and_cover_the_input(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    for block_bytes in (1, 7, 64, 1 << 20):
        blocks = list(source.blocks(block_bytes, numbered=False))
        assert [block.number for block in blocks] == list(range(len(blocks)))
        assert all(block.start < block.stop for block in blocks)
        assert sum(block.nbytes for block in blocks) == source.nbytes
        for before, after in pairwise(blocks):
            assert (after.file, after.start) >= (before.file, before.stop) or after.file > before.file


def test_a_block_knows_its_first_record_when_asked_and_not_otherwise(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    numbered = list(source.blocks(32, numbered=True))
    first = 0
    for block in numbered:
        assert block.first_record == first
        first += sum(batch.num_rows for batch in read(source, [block]))
    plain = list(source.blocks(32, numbered=False))
    assert [(b.file, b.start, b.stop) for b in plain] == [(b.file, b.start, b.stop) for b in numbered]
    assert {block.first_record for block in plain} == {None}


@pytest.mark.parametrize("numbered", [True, False])
def test_a_batch_has_binary_columns_for_the_fields_and_the_number_if_it_is_known(
    form: Format, tmp_path: Path, numbered: bool
) -> None:
    source, _ = some(form, tmp_path)
    for batch in read(source, list(source.blocks(32, numbered=numbered))):
        expected = {name: pa.binary() for name in source.fields} | ({"#": pa.int64()} if numbered else {})
        assert {field.name: field.type for field in batch.schema} == expected
        assert not any(column.null_count for column in batch.columns)


def test_fields_are_names_and_the_number_is_not_among_them(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    assert source.fields
    assert "#" not in source.fields
    assert all(isinstance(name, str) for name in source.fields)


def test_blocks_may_be_read_in_any_order_and_again(form: Format, tmp_path: Path) -> None:
    source, files = some(form, tmp_path)
    blocks = list(source.blocks(32, numbered=True))
    with closing(source.open()) as reader:
        for block in (*blocks[::-1], *blocks):
            batches = list(reader.read(block))
            assert batches[0].column("#")[0].as_py() == block.first_record
            names = source.name_of(block)
            assert Path(names).exists()
    assert len(records_in(source, read(source, blocks))) == sum(map(len, files))


def test_a_source_travels_and_is_read_there_as_here(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    travelled: Source = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
    blocks = list(source.blocks(32, numbered=True))
    assert travelled == source
    assert read(travelled, pickle.loads(pickle.dumps(blocks))) == read(source, blocks)  # noqa: S301


def test_an_empty_input_has_no_records(form: Format, tmp_path: Path) -> None:
    source = form.write(tmp_path, [[], []])
    assert records_in(source, read(source, list(source.blocks(10, numbered=True)))) == []


def test_a_reader_may_be_closed_twice(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    reader = source.open()
    list(reader.read(next(source.blocks(10, numbered=True))))
    reader.close()
    reader.close()


def test_a_change_is_noticed_by_a_read_and_at_the_end(form: Format, tmp_path: Path) -> None:
    source, _ = some(form, tmp_path)
    blocks = list(source.blocks(32, numbered=True))
    source.verify_unchanged()
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(SourceError, match=str(tmp_path)):
        read(source, blocks)
    with pytest.raises(SourceError, match=str(tmp_path)):
        source.verify_unchanged()
