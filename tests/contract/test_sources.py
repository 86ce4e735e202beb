"""The contract of a Source for what is no file: Python objects. For formats see ``test_formats.py``.

Then what the values of any source become, and what the workers of a run read between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

from etl.encode.resp.command import parse_command
from etl.encode.strategies.commands import CommandsEncoder
from etl.plan import Block, Plan, Projection, Response, Source, Wire
from etl.report import Counters, RejectLimit
from etl.testing.records import Fields, Record
from etl.testing.source import ALL, SourceContract, listed, read, records_in
from etl.worker.run_shard import run_shard
from tests.cases import cases
from tests.contract import test_formats as files
from tests.contract.golden import TYPED, chosen
from tests.unit.given import parse_commands
from tests.unit.memory import Near, Told


class OfObjects(SourceContract):
    """A Python object, chosen as the command line's door does."""

    def made(self, records: Sequence[Record]) -> Any:
        raise NotImplementedError

    def open(self, folder: Path, records: Sequence[Record]) -> Source:
        return chosen(self.made(records))


def dicts(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [{"id": id, "value": value} for id, value in records]


class TestArrowTables(OfObjects):
    def made(self, records: Sequence[Record]) -> pa.Table:
        return files.table_of(records)


class TestArrowReaders(OfObjects):
    def made(self, records: Sequence[Record]) -> pa.RecordBatchReader:
        return files.table_of(records).to_reader(max_chunksize=4)


class TestPandas(OfObjects):
    def made(self, records: Sequence[Record]) -> Any:
        import pandas as pd

        return pd.DataFrame(
            {"id": [id for id, _ in records], "value": [value for _, value in records]}, dtype="object"
        )


class TestPolars(OfObjects):
    def made(self, records: Sequence[Record]) -> Any:
        import polars as pl

        return pl.DataFrame(dicts(records), schema={"id": pl.String, "value": pl.String})


class TestDicts(OfObjects):
    fields = None

    def made(self, records: Sequence[Record]) -> Any:
        return dicts(records)


class TestGenerators(OfObjects):
    fields = None

    def made(self, records: Sequence[Record]) -> Any:
        return iter(dicts(records))


# Shards: what the workers of a run read between them.


@dataclass
class Kept(Near):
    """A target that remembers the commands it is given, and agrees with everything."""

    commands: list[list[bytes]] = field(default_factory=list)

    def connect(self, client_name: str) -> Kept:
        return self

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        self.commands += parse_commands(b"".join(bytes(buffer) for buffer in wire.buffers))
        yield Response(token, wire, None)

    def drain(self) -> Iterator[Response]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


def shards(
    source: Source, blocks: Sequence[Block], workers: int, split: str
) -> list[list[tuple[int, Fields]]]:
    """Carry out every shard of a load; give each one's records in order, with their numbers."""
    encoder = CommandsEncoder((parse_command("HSET {#} {*}"),))
    found = []
    counters = Counters([0] * Counters.size(workers), workers)
    for worker in range(workers):
        target = Kept()
        plan = Plan(
            source=source,
            projection=ALL,
            target=target,
            encoder=encoder,
            single=encoder,
            blocks=tuple(blocks),
            workers=workers,
            split=split,
            progress="none",
            reject_limit=RejectLimit(count=0),
            rejects=None,
        )
        run_shard(plan, worker, counters, Told())
        found.append(
            [
                (int(number), {k.decode(): v for k, v in zip(words[::2], words[1::2], strict=True)})
                for _, number, *words in target.commands
            ]
        )
    assert counters.total("records_read") == sum(map(len, found))
    assert counters.total("bytes_done") == sum(block.nbytes for block in blocks)
    return found


@cases(("split", "workers"), [("block", 1), ("block", 3), ("record", 2), ("record", 3)])
@cases(
    "one",
    [files.TestLines(), files.TestCsv(), files.TestGzippedJsonl(), files.TestParquet(), TestDicts()],
    ids=lambda one: type(one).__name__,
)
def test_the_shards_of_a_source_have_every_record_once_and_in_order(
    one: SourceContract, tmp_path: Path, split: str, workers: int
) -> None:
    source, blocks = one.opened(tmp_path)
    found = shards(source, blocks, workers, split)
    expected = list(enumerate(one.expected(one.records())))
    assert sorted((number, record) for shard in found for number, record in shard) == expected
    for worker, shard in enumerate(found):
        numbers = [number for number, _ in shard]
        assert numbers == sorted(numbers)
        if split == "record":
            assert numbers == list(range(worker, len(expected), workers))


# Typed values: what is no text in the source.


def first_of(source: Source, projection: Projection = ALL) -> Fields:
    (record,) = records_in(read(source, list(source.blocks(100)), projection))
    return record


@cases("kind", ["jsonl", "json"])
def test_json_numbers_keep_their_text_and_nested_values_are_json(kind: str, tmp_path: Path) -> None:
    some = [typed for typed in TYPED if typed.json is not None]
    text = "{" + ", ".join(f'"{typed.name}": {typed.json}' for typed in some) + "}"
    path = tmp_path / f"typed.{kind}"
    path.write_text(text if kind == "jsonl" else f"[{text}]")
    assert first_of(chosen(path)) == {typed.name: (typed.json_text or "").encode() for typed in some}


@cases("literal", ["NaN", "Infinity", "-Infinity", "007", "+1", ".5", "1.", "0x10", "True"])
@cases("kind", ["jsonl", "json"])
def test_what_json_does_not_have_is_a_reject_and_costs_no_neighbour(
    kind: str, literal: str, tmp_path: Path
) -> None:
    objects = ['{"a": 1}', f'{{"a": {literal}}}', '{"a": 3}']
    path = tmp_path / f"typed.{kind}"
    path.write_text("\n".join(objects) if kind == "jsonl" else f"[{','.join(objects)}]")
    source = chosen(path)
    (batch,) = read(source, list(source.blocks(1 << 20)))
    assert batch.fields.to_pylist() == [{"a": b"1"}, {"a": b"3"}]
    assert listed(batch.numbers) == [0, 2]
    (reject,) = batch.rejects
    assert (reject.file, reject.record, reject.raw) == (str(path), 1, objects[1].encode())
    assert reject.offset == path.read_bytes().index(reject.raw)
    assert reject.reason.startswith("it is not JSON")


def typed_table() -> pa.Table:
    return pa.table({typed.name: typed.column for typed in TYPED})


@cases("kind", ["parquet", "arrow", "pyarrow"])
def test_columns_of_any_type_become_the_text_of_their_values(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"typed.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(typed_table(), path)
    elif kind == "arrow":
        with pa.ipc.new_file(path, typed_table().schema) as writer:
            writer.write_table(typed_table())
    source = chosen(typed_table() if kind == "pyarrow" else path)
    assert first_of(source) == {typed.name: typed.column_text for typed in TYPED}
    source = chosen(typed_table() if kind == "pyarrow" else path)
    assert first_of(source, Projection(all=True, vectors="text"))["vector"] == b"[1.0,0.5]"


def test_python_values_become_the_text_of_their_values() -> None:
    source = chosen([{typed.name: typed.value for typed in TYPED}])
    assert first_of(source) == {typed.name: typed.value_text for typed in TYPED}


def test_bytes_that_are_no_text_arrive_as_they_are_where_no_text_is_needed(tmp_path: Path) -> None:
    for name, content, expected in (
        ("x.txt", b"\xff\xfe\x80\n", {"line": b"\xff\xfe\x80"}),
        ("x.csv", b"id,value\n1,\xff\xfe\x80\n", {"id": b"1", "value": b"\xff\xfe\x80"}),
    ):
        (tmp_path / name).write_bytes(content)
        assert first_of(chosen(tmp_path / name)) == expected


@cases("name", ["x.txt", "x.csv", "x.jsonl", "x.json"])
def test_bytes_that_are_no_text_are_a_reject_where_json_is_wanted(tmp_path: Path, name: str) -> None:
    content = {
        "x.txt": b"a\n\xff\nb\n",
        "x.csv": b"value\na\n\xff\nb\n",
        "x.jsonl": b'{"value": "a"}\n{"value": "\xff"}\n{"value": "b"}\n',
        "x.json": b'[{"value": "a"},{"value": "\xff"},{"value": "b"}]',
    }[name]
    (tmp_path / name).write_bytes(content)
    source = chosen(tmp_path / name)
    (batch,) = read(source, list(source.blocks(1 << 20)), Projection(json=True))
    texts = [list(json.loads(text).values()) for text in listed(batch.json)]
    assert texts == [["a"], ["b"]]
    assert [(reject.record, b"\xff" in reject.raw) for reject in batch.rejects] == [(1, True)]
    assert listed(batch.numbers) == [0, 2]
