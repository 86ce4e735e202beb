"""ORC files: what is of this format alone; the rest is in the contract and in ``table/test_files.py``."""

from __future__ import annotations

import datetime
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pytest

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Batch, Projection
from etl.source.formats import orc
from etl.source.formats.orc import OrcTable
from etl.source.table.format import BATCH_RECORDS
from etl.source.table.layout import layout

ALL = Projection(all=True)


def write(path: Path, table: pa.Table, *, stripe: int, **options: Any) -> None:
    """Write stripes of about so many records (a stripe ends where a batch does)."""
    with pyarrow.orc.ORCWriter(path, stripe_size=1, batch_size=stripe, **options) as writer:
        writer.write(table)


def read(path: Path, projection: Projection = ALL, **options: Any) -> list[Batch]:
    source = orc.open([str(path)], LoadOptions(**options))
    with closing(source.open(projection)) as reader:
        return [batch for block in source.blocks(1000) for batch in reader.read(block)]


def test_a_stripe_is_a_block_where_there_are_many_of_them(tmp_path: Path) -> None:
    write(tmp_path / "a.orc", pa.table({"id": range(40_000)}), stripe=2_000)
    table = OrcTable(str(tmp_path / "a.orc"))
    stripes = [table.group(index).records for index in range(table.group_count)]
    table.close()
    assert len(stripes) > 16
    source = orc.open([str(tmp_path / "a.orc")], LoadOptions())
    blocks = list(source.blocks(1))
    assert [block.records for block in blocks] == stripes
    assert sum(stripes) == 40_000


def test_a_long_stripe_comes_a_few_records_at_a_time(tmp_path: Path) -> None:
    write(tmp_path / "a.orc", pa.table({"id": range(50_000)}), stripe=50_000)
    batches = read(tmp_path / "a.orc")
    assert max(map(len, batches)) <= BATCH_RECORDS
    assert sum(map(len, batches)) == 50_000


def test_only_the_columns_that_are_wanted_are_decoded(tmp_path: Path) -> None:
    inner = pa.array([{"a": 1, "b": {"c": "x"}}, None])
    write(tmp_path / "a.orc", pa.table({"id": [1, 2], "s": inner, "text": ["x", "y"]}), stripe=10)
    table = OrcTable(str(tmp_path / "a.orc"))
    for names, wanted in ((("text",), ["text"]), (("s.b.c",), ["s"]), ((), ["id"])):
        (records,) = table.read(0, 0, layout(table.schema, Projection(names=frozenset(names)), "a.orc"))
        assert records.schema.names == wanted
        assert len(records) == 2
    table.close()


def test_values_of_every_type_of_orc_have_their_text(tmp_path: Path) -> None:
    day = datetime.date(2024, 2, 29)
    moment = datetime.datetime(2024, 2, 29, 12, 30, 1, 500)
    utc = pa.timestamp("ns", "UTC")
    columns = {
        "yes": (pa.array([True, None]), b"true"),
        "tiny": (pa.array([-1, None], pa.int8()), b"-1"),
        "big": (pa.array([1 << 62, None]), b"%d" % (1 << 62)),
        "float": (pa.array([0.1, None], pa.float32()), b"0.1"),
        "double": (pa.array([-0.0, None]), b"-0.0"),
        "cents": (pa.array([Decimal("1.10"), None], pa.decimal128(9, 2)), b"1.10"),
        "text": (pa.array(["ünï", None]), "ünï".encode()),
        "bytes": (pa.array([b"\xff\0", None]), b"\xff\0"),
        "day": (pa.array([day, None]), b"2024-02-29"),
        "moment": (pa.array([moment, None], pa.timestamp("ns")), b"2024-02-29T12:30:01.000500000"),
        "instant": (pa.array([moment, None], utc), b"2024-02-29T12:30:01.000500000Z"),
        "list": (pa.array([[1, None], None]), b"[1,null]"),
        "map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), b'{"k":1}'),
        "struct": (pa.array([{"a": [1.5]}, None]), b'{"a":[1.5]}'),
    }
    write(tmp_path / "a.orc", pa.table({name: column for name, (column, _) in columns.items()}), stripe=10)
    (batch,) = read(tmp_path / "a.orc")
    one, other = batch.fields.to_pylist()
    assert one == {name: text for name, (_, text) in columns.items()}
    assert set(other.values()) == {None}


@pytest.mark.parametrize("compression", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_files_are_compressed_inside(tmp_path: Path, compression: str) -> None:
    write(tmp_path / "a.orc", pa.table({"x": ["y" * 1000] * 300}), stripe=100, compression=compression)
    assert sum(map(len, read(tmp_path / "a.orc"))) == 300


def test_a_record_that_is_too_long_is_a_reject_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "a.orc", pa.table({"id": [1, 2, 3], "x": ["a", "b" * 9_000, "c"]}), stripe=10)
    batches = read(tmp_path / "a.orc", max_record="5kB")
    assert [id for batch in batches if len(batch) for id in batch.fields["id"].to_pylist()] == [b"1", b"3"]
    (reject,) = [reject for batch in batches for reject in batch.rejects]
    assert reject.record == 1
    assert "more than --max-record allows" in reject.reason


def test_what_is_no_orc_file_and_one_that_was_cut_short_are_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.orc"
    write(path, pa.table({"id": range(5_000)}), stripe=1_000)
    data = path.read_bytes()
    for content in (b"", b"x", b"id,name\n1,x\n", data[:-1], data[: len(data) // 2], data[1:]):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"a\.orc (is empty|cannot be read as ORC)") as caught:
            read(path)
        assert "\n" not in str(caught.value)
