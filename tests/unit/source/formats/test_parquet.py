"""Parquet files that Arrow does not write: groups without fields, and text that is too long for one array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.plan import Projection
from etl.source.formats import parquet
from etl.source.formats.parquet import Parquet, read_group
from etl.source.storage.local import find_files
from etl.source.table.files import open_table_files


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


class Wide(int):
    """An i64 of Thrift; any other int is an i32."""


TYPE_CODES = {Wide: 6, int: 5, bytes: 8, list: 9}


def struct(**fields: int | bytes | list[bytes]) -> bytes:
    """Write a struct in Thrift's compact protocol; fields are named by their numbers (``_3``)."""
    written, last = b"", 0
    for name, value in fields.items():
        number = int(name[1:])
        kind = (
            6
            if isinstance(value, Wide)
            else 5
            if isinstance(value, int)
            else 8
            if isinstance(value, bytes)
            else 9
        )
        written += bytes([(number - last) << 4 | kind])
        last = number
        if isinstance(value, int):
            written += varint(value << 1)
        elif isinstance(value, bytes):
            written += varint(len(value)) + value
        else:
            written += bytes([len(value) << 4 | 12]) + b"".join(value)
    return written + b"\0"


def write_groups(path: Path, elements: list[bytes], row_groups: list[int]) -> None:
    """Write a Parquet file without any column chunk."""
    groups = [struct(_1=[], _2=Wide(0), _3=Wide(rows)) for rows in row_groups]
    footer = struct(_1=2, _2=elements, _3=Wide(sum(row_groups)), _4=groups)
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")


ROOT_ALONE = [struct(_4=b"schema", _5=0)]
EMPTY_GROUPS = [
    struct(_4=b"schema", _5=2),
    struct(_3=1, _4=b"g", _5=0),
    struct(_3=1, _4=b"h", _5=1),
    struct(_3=2, _4=b"list", _5=0),
]


@pytest.mark.parametrize("elements", [ROOT_ALONE, EMPTY_GROUPS])
@pytest.mark.parametrize("row_groups", [[], [0], [3], [2, 1]])
def test_groups_without_columns_are_records_without_fields(
    tmp_path: Path, elements: list[bytes], row_groups: list[int]
) -> None:
    path = tmp_path / "a.parquet"
    write_groups(path, elements, row_groups)
    source = open_table_files(find_files([str(path)]), Parquet())
    assert source.fields == ()
    records = []
    with closing(source.open(Projection(all=True, json=True))) as reader:
        for block in source.blocks(1000):
            for batch in reader.read(block):
                assert batch.json is not None
                records += batch.json.to_pylist()
            assert reader.originals(block, [block.first_record or 0])[0].raw == b"{}"
    assert records == [b"{}"] * sum(row_groups)


class Refusing:
    """A ParquetFile that, as Arrow does, refuses batches in which the text of a map is too long."""

    def __init__(self, records: pa.RecordBatch, most: int, total_bytes: int = 0) -> None:
        self._records = records
        self._most = most
        self._total_bytes = total_bytes
        self.tried: list[int] = []
        self.metadata = self

    num_columns = 1

    def row_group(self, index: int) -> Refusing:
        return self

    def column(self, index: int) -> Refusing:
        return self

    @property
    def num_rows(self) -> int:
        return len(self._records)

    total_byte_size = 10

    @property
    def total_uncompressed_size(self) -> int:
        return self._total_bytes

    def iter_batches(self, batch_size: int, **_: Any) -> Iterator[pa.RecordBatch]:
        self.tried.append(batch_size)
        for start in range(0, len(self._records), batch_size):
            some = self._records[start : start + batch_size]
            if "long" in some["a"].to_pylist() and len(some) > self._most:
                raise pa.ArrowNotImplementedError(
                    "Nested data conversions not implemented for chunked array outputs"
                )
            yield some


def test_records_too_long_to_be_decoded_together_are_decoded_fewer_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "BATCH_RECORDS", 256)
    texts = ["short"] * 700 + ["long", "long"] + ["short"] * 100
    for most, tried in ((2, [256, 16, 1]), (16, [256, 16])):
        for skip in (0, 5, 300, 701, 801):
            file: Any = Refusing(pa.record_batch({"a": texts}), most)
            got = [text for records in read_group(file, 0, skip, []) for text in records["a"].to_pylist()]
            assert got == texts[skip:]
            assert file.tried == tried
    with pytest.raises(pa.ArrowNotImplementedError):
        list(read_group(Refusing(pa.record_batch({"a": texts}), 0), 0, 0, []))


def test_a_group_whose_total_is_its_compressed_size_is_decoded_by_the_size_of_its_columns() -> None:
    file: Any = Refusing(pa.record_batch({"a": ["long", "long"]}), 1, total_bytes=1 << 31)
    assert sum(len(records) for records in read_group(file, 0, 0, [])) == 2
    assert file.tried == [1]


def test_long_maps_are_decoded_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_DECODED_BYTES", 1 << 17)
    maps = pa.array([[("a" * (1 << 16), index)] for index in range(6)], pa.map_(pa.string(), pa.int32()))
    pq.write_table(pa.table({"m": maps}), tmp_path / "a.parquet", compression="brotli", use_dictionary=False)
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        assert max(len(records) for records in read_group(file, 0, 1, [])) <= 2
