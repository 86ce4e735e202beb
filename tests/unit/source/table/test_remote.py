"""Remote tables: any table format, read by the parent through an open file."""

from __future__ import annotations

import io
import pickle
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Projection, Source
from etl.source.choose import choose_source
from etl.source.table.stream import TableStream
from tests.cases import cases

WRITERS: dict[str, Callable[..., Any]] = {
    "parquet": lambda table, file: pq.write_table(table, file, row_group_size=700),
    "feather": lambda table, file: feather.write_feather(table, file, chunksize=700, compression="lz4"),
    "orc": orc.write_table,
}
TABLE = pa.table({"id": range(2_000), "text": [f"t{index}" for index in range(2_000)]})


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder of its own in memory; gives its URI."""
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def put(uri: str, data: bytes) -> str:
    fsspec.filesystem("memory").pipe(uri, data)
    return uri


def written(name: str, table: pa.Table = TABLE) -> bytes:
    file = io.BytesIO()
    WRITERS[name](table, file)
    return file.getvalue()


def read(source: Source, block_bytes: int = 1_000) -> list[dict[str, Any]]:
    reader = pickle.loads(pickle.dumps(source)).open(Projection(all=True))  # noqa: S301 - as a plan travels
    with closing(reader):
        batches = [batch for block in source.blocks(block_bytes) for batch in reader.read(block)]
    numbers = [number for batch in batches for number in batch.numbers.to_pylist()]
    assert numbers == list(range(len(numbers)))
    return [record for batch in batches for record in batch.fields.to_pylist()]


@cases("name", WRITERS)
def test_a_remote_table_has_its_records_in_blocks_that_add_up_to_its_size(folder: str, name: str) -> None:
    source = choose_source([put(f"{folder}/a.{name}", written(name))], LoadOptions())
    assert isinstance(source, TableStream)
    assert source.fields == ("id", "text")
    blocks = list(source.blocks(1_000))
    assert len(blocks) > 5
    assert blocks[-1].stop == source.nbytes == len(written(name))
    assert all(block.start <= block.stop for block in blocks)
    assert read(source) == [{"id": b"%d" % index, "text": b"t%d" % index} for index in range(2_000)]
    source.verify_unchanged()


@cases("name", WRITERS)
def test_remote_tables_may_have_no_records(folder: str, name: str) -> None:
    nothing = written(name, TABLE.slice(0, 0))
    uris = [put(f"{folder}/{index}.{name}", data) for index, data in enumerate((nothing, written(name)))]
    assert len(read(choose_source(uris, LoadOptions()))) == 2_000
    assert read(choose_source(uris[:1], LoadOptions())) == []


@cases("name", WRITERS)
def test_what_is_no_such_file_and_one_that_was_cut_short_are_named(folder: str, name: str) -> None:
    for data in (b"nothing of the kind", written(name)[:-1], written(name)[:500]):
        uri = put(f"{folder}/a.{name}", data)
        with pytest.raises(SourceError, match=rf"{uri} cannot be read as (Parquet|Arrow|ORC): "):
            read(choose_source([uri], LoadOptions()))


def test_long_records_are_rejects_and_not_sent_to_workers_as_text(folder: str) -> None:
    table = pa.table({"id": [1, 2, 3], "x": ["a", "b" * 90_000, "c"]})
    source = choose_source([put(f"{folder}/a.orc", written("orc", table))], LoadOptions(max_record=10_000))
    with closing(source.open(Projection(all=True))) as reader:
        batches = [batch for block in source.blocks(1_000) for batch in reader.read(block)]
    assert sum(map(len, batches)) == 2
    (reject,) = [reject for batch in batches for reject in batch.rejects]
    assert reject.record == 1
