from __future__ import annotations

import datetime
import os
import pickle
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection
from etl.source.formats.orc import Orc
from etl.source.formats.parquet import Parquet
from etl.source.storage.local import find_files
from etl.source.table.arrow_file import Arrow
from etl.source.table.files import ENOUGH_GROUPS, TableFiles, open_table_files
from etl.source.table.format import TableFormat
from tests.cases import cases
from tests.examples import examples
from tests.unit.source import arrow_oracle as oracle

Write = Callable[..., Any]


def write_parquet(table: pa.Table, path: Path, group: int = 1 << 20) -> None:
    pq.write_table(table, path, row_group_size=group)


def write_arrow(table: pa.Table, path: Path, group: int = 1 << 20) -> None:
    feather.write_feather(table, path, chunksize=group, compression="uncompressed")


def write_lz4(table: pa.Table, path: Path, group: int = 1 << 20) -> None:
    feather.write_feather(table, path, chunksize=group, compression="lz4")


def write_orc(table: pa.Table, path: Path, group: int = 1 << 20) -> None:
    with orc.ORCWriter(path, stripe_size=1, batch_size=min(group, len(table) or 1)) as writer:
        writer.write(table)


FORMATS = pytest.mark.parametrize(
    ("format", "write"),
    [(Parquet(), write_parquet), (Arrow(), write_arrow), (Arrow(), write_lz4), (Orc(), write_orc)],
    ids=["parquet", "arrow", "arrow-lz4", "orc"],
)
STORED: dict[Write, Callable[[Path], pa.Table]] = {write_parquet: pq.read_table, write_orc: orc.read_table}
ALL = Projection(all=True)


def source_of(format: TableFormat, *paths: Path) -> TableFiles:
    source = open_table_files(find_files([os.fspath(path) for path in paths]), format)
    copy: TableFiles = pickle.loads(pickle.dumps(source))  # noqa: S301 - as a plan travels to its workers
    return copy


def read(source: TableFiles, projection: Projection, blocks: list[Block] | None = None) -> list[Batch]:
    reader = source.open(projection)
    try:
        return [batch for block in blocks or blocks_of(source) for batch in reader.read(block)]
    finally:
        reader.close()
        reader.close()


def blocks_of(source: TableFiles) -> list[Block]:
    return list(source.blocks(1 << 20))


def column(batches: list[Batch], name: str) -> list[Any]:
    return [value for batch in batches for value in batch.fields.column(name).to_pylist()]


def numbers(batches: list[Batch]) -> list[int]:
    return [number for batch in batches if batch.numbers is not None for number in batch.numbers.to_pylist()]


def counting(count: int) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "text": pa.array([f"t{index}" for index in range(count)], pa.string()),
        }
    )


@FORMATS
@cases(("count", "group"), [(10, 3), (1, 1), (100_000, 40_000), (100_000, 1 << 20), (700, 7)])
def test_blocks_hold_every_record_once_in_order_and_number_them(
    tmp_path: Path, format: TableFormat, write: Write, count: int, group: int
) -> None:
    write(counting(count), tmp_path / "a.x", group)
    source = source_of(format, tmp_path / "a.x")
    batches = read(source, ALL)
    assert column(batches, "id") == [str(index).encode() for index in range(count)]
    assert column(batches, "text") == [f"t{index}".encode() for index in range(count)]
    assert numbers(batches) == list(range(count))
    assert batches[0].spread == ("id", "text")
    assert max(map(len, batches)) <= 1 << 16


@FORMATS
def test_bytes_of_the_blocks_add_up_to_the_files(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(counting(100_000), tmp_path / "a.x", 30_000)
    write(counting(10), tmp_path / "b.x", 3)
    source = source_of(format, tmp_path)
    blocks = blocks_of(source)
    assert [block.number for block in blocks] == list(range(len(blocks)))
    for index in (0, 1):
        here = [block for block in blocks if block.file == index]
        assert here[0].start == 0
        assert [block.start for block in here[1:]] == [block.stop for block in here[:-1]]
        assert here[-1].stop == source.files[index].size
    assert source.nbytes == sum(block.nbytes for block in blocks) == sum(file.size for file in source.files)


@FORMATS
def test_a_file_of_one_group_has_work_for_several_workers(
    tmp_path: Path, format: TableFormat, write: Write
) -> None:
    write(counting(400_000), tmp_path / "a.x")
    assert 8 <= len(blocks_of(source_of(format, tmp_path / "a.x"))) <= ENOUGH_GROUPS


@FORMATS
def test_any_blocks_in_any_order_give_their_own_records(
    tmp_path: Path, format: TableFormat, write: Write
) -> None:
    write(counting(150_000), tmp_path / "a.x")
    source = source_of(format, tmp_path / "a.x")
    blocks = blocks_of(source)
    random.Random(1).shuffle(blocks)
    batches = read(source, ALL, blocks)
    assert column(batches, "id") == [str(number).encode() for number in numbers(batches)]
    assert sorted(numbers(batches)) == list(range(150_000))


@FORMATS
def test_a_block_given_up_in_the_middle_can_be_read_again(
    tmp_path: Path, format: TableFormat, write: Write
) -> None:
    write(counting(150_000), tmp_path / "a.x")
    source = source_of(format, tmp_path / "a.x")
    block = blocks_of(source)[1]
    reader = source.open(ALL)
    half = next(iter(reader.read(block)))
    again = list(reader.read(block))
    assert again[0].fields.equals(half.fields)
    assert sum(map(len, again)) > len(half)


@FORMATS
def test_files_may_have_different_columns(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(pa.table({"id": [1], "a": ["x"]}), tmp_path / "1.x")
    write(pa.table({"b": [1.5], "id": ["two"]}), tmp_path / "2.x")
    source = source_of(format, tmp_path)
    assert source.fields == ("id", "a", "b")
    one, two = read(source, Projection(all=True, names=frozenset({"id", "a", "b"})))
    assert one.fields.to_pylist() == [{"id": b"1", "a": b"x", "b": None}]
    assert (one.spread, two.spread) == (("id", "a"), ("b", "id"))
    assert two.fields.to_pylist() == [{"b": b"1.5", "id": b"two", "a": None}]
    assert numbers([one, two]) == [0, 1]


@FORMATS
def test_files_without_records_are_passed_over(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(counting(0), tmp_path / "1.x")
    write(counting(2), tmp_path / "2.x")
    write(counting(0), tmp_path / "3.x")
    source = source_of(format, tmp_path)
    assert [block.file for block in blocks_of(source)] == [1]
    assert column(read(source, ALL), "id") == [b"0", b"1"]


@FORMATS
def test_a_part_of_a_struct_is_read_by_itself(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(pa.table({"s": [{"a": 1, "b": {"c": "x"}}, None], "s.a": ["dot", "dot"]}), tmp_path / "a.x")
    source = source_of(format, tmp_path / "a.x")
    assert source.fields == ("s", "s.a", "s.b", "s.b.c")
    assert column(read(source, Projection(names=frozenset({"s.b.c"}))), "s.b.c") == [b"x", None]
    assert column(read(source, Projection(names=frozenset({"s.a"}))), "s.a") == [b"dot", b"dot"]


@FORMATS
def test_records_are_counted_where_no_column_is_wanted(
    tmp_path: Path, format: TableFormat, write: Write
) -> None:
    write(counting(100_000), tmp_path / "a.x")
    batches = read(source_of(format, tmp_path / "a.x"), Projection())
    assert sum(map(len, batches)) == 100_000
    assert numbers(batches) == list(range(100_000))


@FORMATS
def test_a_record_is_found_again_with_all_its_fields(
    tmp_path: Path, format: TableFormat, write: Write
) -> None:
    write(counting(50_000), tmp_path / "a.x", 20_000)
    write(counting(3), tmp_path / "b.x")
    source = source_of(format, tmp_path)
    block = [block for block in blocks_of(source) if (block.first_record or 0) <= 49_998][-1]
    (found,) = source.open(Projection(names=frozenset({"id"}))).originals(block, [49_998])
    assert (found.file, found.record, found.offset) == (str(tmp_path / "a.x"), 49_998, None)
    assert found.raw == b'{"id":49998,"text":"t49998"}'
    assert source.name_of(block) == str(tmp_path / "a.x")


@FORMATS
def test_every_column_of_a_wide_file_is_found(tmp_path: Path, format: TableFormat, write: Write) -> None:
    names = [f"column {index}" for index in range(300)]
    write(pa.table({name: [index] for index, name in enumerate(names)}), tmp_path / "a.x")
    (batch,) = read(source_of(format, tmp_path / "a.x"), ALL)
    assert batch.fields.to_pylist() == [{name: str(index).encode() for index, name in enumerate(names)}]


@FORMATS
@cases("content", [b"", b"x", b"id,name\n1,x\n", b"PAR1", b"ARROW1\0\0", bytes(4000)])
def test_what_is_no_such_file_is_refused_with_a_sentence(
    tmp_path: Path, format: TableFormat, write: Write, content: bytes
) -> None:
    (tmp_path / "a.x").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.x (is empty|cannot be read|is not)"):
        source_of(format, tmp_path / "a.x")


@FORMATS
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(counting(1000), tmp_path / "a.x")
    data = (tmp_path / "a.x").read_bytes()
    for length in (len(data) - 1, len(data) // 2, 12):
        (tmp_path / "a.x").write_bytes(data[:length])
        with pytest.raises(SourceError, match=r"a\.x cannot be read as"):
            source_of(format, tmp_path / "a.x")


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def shrunk(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def replaced(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").rename(path)


def removed(path: Path) -> None:
    path.unlink()


@FORMATS
@cases("change", [touched, shrunk, replaced, removed])
def test_a_file_that_changes_is_noticed(
    tmp_path: Path, format: TableFormat, write: Write, change: Callable[[Path], None]
) -> None:
    write(counting(1000), tmp_path / "a.x", 100)
    source = source_of(format, tmp_path / "a.x")
    source.verify_unchanged()
    reader = source.open(ALL)
    first, second, *_ = blocks_of(source)
    assert list(reader.read(first))
    change(tmp_path / "a.x")
    with pytest.raises(SourceError, match=r"a\.x (was|shrank|went)"):
        list(reader.read(second))
    with pytest.raises(SourceError, match=r"a\.x (was|shrank|went)"):
        list(source.open(ALL).read(first))
    with pytest.raises(SourceError, match=r"a\.x (was|shrank|went)"):
        source.verify_unchanged()


@FORMATS
def test_the_input_is_named_by_its_real_path(tmp_path: Path, format: TableFormat, write: Write) -> None:
    write(counting(1), tmp_path / "a.x")
    (tmp_path / "link.x").symlink_to(tmp_path / "a.x")
    assert source_of(format, tmp_path / "link.x").names == (os.path.realpath(tmp_path / "a.x"),)


@FORMATS
@examples(0.75)
@given(seed=st.integers(0, 1 << 32))
def test_a_damaged_file_gives_records_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, format: TableFormat, write: Write, seed: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.x"
    table = counting(500)
    if write is not write_orc:  # pyarrow's ORC reader crashes on lists with damaged lengths: formats/orc.py
        table = table.append_column("list", pa.array([[str(index)] for index in range(500)]))
    write(table, path, 200)
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 3, 20])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    batches: list[Batch] = []
    with suppress(SourceError):
        batches = read(source_of(format, path), Projection(all=True, json=True))
    for batch in batches:
        batch.fields.validate(full=True)


@FORMATS
@examples(0.5)
@given(columns=st.lists(oracle.arrays(), min_size=1, max_size=3))
@example(columns=[pa.array([datetime.datetime(2263, 1, 1)], pa.timestamp("us"))])
def test_files_hold_the_texts_of_every_type(
    tmp_path_factory: pytest.TempPathFactory, format: TableFormat, write: Write, columns: list[pa.Array]
) -> None:
    length = min(map(len, columns))
    names = [f"c{index}" for index in range(len(columns))]
    table = pa.table([column.slice(0, length) for column in columns], names=names)
    path = tmp_path_factory.mktemp("types") / "a.x"
    try:
        write(table, path, 2)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return  # the format has no such type
    try:
        stored = STORED.get(write, feather.read_table)(path)
    except pa.ArrowInvalid:  # pyarrow keeps the times of ORC in nanoseconds
        with pytest.raises(SourceError, match="out of range for nanosecond resolution"):
            read(source_of(format, path), ALL)
        return
    batches = read(source_of(format, path), ALL)
    for name in names:
        type = stored.schema.field(name).type
        assert column(batches, name) == [oracle.text(value, type) for value in stored[name].to_pylist()]


def test_a_feather_file_of_the_first_version_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(SourceError, match="Feather V1"):
        source_of(Arrow(), tmp_path / "a.feather")


def test_a_string_that_is_not_utf8_does_not_spoil_an_arrow_file(tmp_path: Path) -> None:
    text = pa.array([b"a\xff", b"b"]).view(pa.string())
    write_arrow(pa.table({"text": text}), tmp_path / "a.x")
    assert column(read(source_of(Arrow(), tmp_path / "a.x"), ALL), "text") == [b"a\xff", b"b"]


def test_long_values_of_parquet_are_decoded_a_few_at_a_time(tmp_path: Path) -> None:
    chance = random.Random(1)
    values = [chance.randbytes(300_000) for _ in range(100)]
    pq.write_table(pa.table({"x": pa.array(values)}), tmp_path / "a.x")
    batches = read(source_of(Parquet(), tmp_path / "a.x"), ALL)
    assert column(batches, "x") == values
    assert max(batch.fields.nbytes for batch in batches) < 16_000_000


def test_a_dictionary_of_long_values_is_not_decoded_all_at_once(tmp_path: Path) -> None:
    values = pa.array(["x" * 100_000, "y" * 100_000] * 500)
    write_arrow(pa.table({"x": values.dictionary_encode()}), tmp_path / "a.x")
    batches = read(source_of(Arrow(), tmp_path / "a.x"), ALL)
    assert max(batch.fields.nbytes for batch in batches) < 16_000_000
    assert column(batches, "x")[:2] == [b"x" * 100_000, b"y" * 100_000]
