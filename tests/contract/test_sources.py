"""The contract of a Source (``etl/plan/source.py``), for every format and way in: see ``golden.py``."""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from etl.encode.resp.command import parse_command
from etl.encode.strategies.commands import CommandsEncoder
from etl.errors import SourceError
from etl.plan import Batch, Block, Plan, Projection, Reject, Response, Source, Wire
from etl.report import Budget, Counters
from etl.worker.run_shard import run_shard
from tests.cases import cases
from tests.contract.golden import GOLDEN, HASH_ENCODINGS, TYPED, Fields, HashEncoding, chosen, listed, said
from tests.unit.given import parse_commands
from tests.unit.memory import Near, Told

ALL = Projection(all=True)
SIZES = (20, 100, 1 << 20)
"""Sizes of blocks: of a record each, of a few, of everything."""

KINDS = [form for form in HASH_ENCODINGS if form.codec in (None, "gzip")]
"""Every form, but of the compressed ones only one a format: behind the codec they are the same."""

FIELDS_BY_RECORD = ("jsonl", "json", "dicts", "generator")
"""Formats of which each record may have fields of its own: what they are is known when it is read."""

FILES = [form for form in HASH_ENCODINGS if form.files]
TEXTS = [form for form in KINDS if form.text is not None]


def by_name(form: HashEncoding) -> str:
    return form.name


every_form = cases("form", HASH_ENCODINGS, ids=by_name)
every_kind = cases("form", KINDS, ids=by_name)


def read(source: Source, blocks: Sequence[Block], projection: Projection = ALL) -> list[Batch]:
    with closing(source.open(projection)) as reader:
        return [batch for block in blocks for batch in reader.read(block)]


def opened(form: HashEncoding, folder: Path, block_bytes: int = 100) -> tuple[Source, list[Block]]:
    """Write the golden records in a form; give its source and blocks."""
    source = form.opened(folder, form.rows())
    return source, list(source.blocks(block_bytes))


def records_in(batches: Sequence[Batch]) -> list[Fields]:
    """Return the records without their absent fields."""
    assert not [batch.rejects for batch in batches if batch.rejects]
    return [
        {name: value for name, value in record.items() if value is not None}
        for batch in batches
        for record in batch.fields.select(batch.spread).to_pylist()
    ]


@cases("block_bytes", SIZES)
@every_form
def test_what_is_read_is_the_golden_table(form: HashEncoding, tmp_path: Path, block_bytes: int) -> None:
    source, blocks = opened(form, tmp_path, block_bytes)
    batches = read(source, blocks)
    assert records_in(batches) == form.expected(form.rows())
    assert [number for batch in batches for number in listed(batch.numbers)] == list(range(len(form.rows())))
    for batch in batches:
        assert {column.type for column in batch.fields.columns} == {pa.binary()}
        assert set(batch.spread) <= set(batch.fields.schema.names)


@every_kind
def test_what_a_format_cannot_hold_is_little(form: HashEncoding) -> None:
    assert set(form.cannot) <= ({"null", "line-breaks", "crlf", "protocol"} if form.only_value else set())
    assert set(form.instead) <= {"null"}
    assert len(form.rows()) + len(form.cannot) == len(GOLDEN)


@every_form
def test_blocks_are_numbered_cover_the_input_and_know_their_first_record(
    form: HashEncoding, tmp_path: Path
) -> None:
    source, blocks = opened(form, tmp_path)
    assert len(blocks) > 1 or not form.files
    assert [block.number for block in blocks] == list(range(len(blocks)))
    assert all(block.start <= block.stop for block in blocks)
    assert all(before.stop == after.start for before, after in pairwise(blocks))
    assert all((block.payload is not None) == source.streamed for block in blocks)
    if source.nbytes is not None:
        # Behind the last record an Arrow stream has a mark that is in no block.
        assert source.nbytes - blocks[-1].stop == (8 if form.name == "arrow-stream" else 0)
        assert blocks[0].start <= len('"id","value"\r\n')
    first_record = 0
    for block in blocks:
        assert block.first_record == first_record
        assert source.name_of(block)
        first_record += sum(len(batch) for batch in read(source, [block]))
    assert first_record == len(form.rows())


@every_kind
def test_fields_are_those_of_the_records_where_every_record_has_the_same(
    form: HashEncoding, tmp_path: Path
) -> None:
    known = ("line",) if form.only_value else ("id", "value")
    assert opened(form, tmp_path)[0].fields == (
        None if form.name.partition("-")[0] in FIELDS_BY_RECORD else known
    )


@every_form
def test_a_source_and_its_blocks_travel_and_are_read_there_in_any_order(
    form: HashEncoding, tmp_path: Path
) -> None:
    source, blocks = opened(form, tmp_path)
    here = read(source, blocks)
    travelled: Source = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
    copies: list[Block] = pickle.loads(pickle.dumps(blocks))  # noqa: S301
    with closing(travelled.open(ALL)) as reader:
        there = {block.number: list(reader.read(block)) for block in (*copies[::-1], *copies)}
    assert records_in([batch for number in sorted(there) for batch in there[number]]) == records_in(here)
    assert travelled.names == source.names


@every_kind
def test_every_original_is_found_again(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path, 300)
    some = form.rows()
    stops = [*(block.first_record for block in blocks[1:]), len(some)]
    found: list[Reject] = []
    with closing(source.open(ALL)) as reader:
        for block, stop in zip(blocks, stops, strict=True):
            assert block.first_record is not None
            assert stop is not None
            rejects = reader.originals(block, range(block.first_record, stop))
            assert {(reject.file, reject.reason) for reject in rejects} == {(source.name_of(block), "")}
            assert reader.originals(block, [reject.record or 0 for reject in rejects[1::3]]) == rejects[1::3]
            assert reader.originals(block, []) == []
            found += rejects
    assert [reject.record for reject in found] == list(range(len(some)))
    assert [_read_alone(form, reject.raw) for reject in found] == form.expected(some)
    if form.text is not None:
        text = form.text(some)
        for reject in found:
            assert reject.offset is not None
            assert text[reject.offset :].startswith(reject.raw)
        assert [reject.offset for reject in found] == sorted({reject.offset for reject in found})  # type: ignore[type-var]
    else:
        assert {reject.offset for reject in found} == {None}


def _read_alone(form: HashEncoding, raw: bytes) -> Fields:
    """Read the original text of one record by what Python itself has for it."""
    kind = form.name.partition("-")[0]
    if kind == "txt":
        return {"line": raw}
    if kind in ("csv", "tsv"):
        csv.field_size_limit(1 << 21)
        reader = csv.reader(io.StringIO(raw.decode(), newline=""), delimiter={"csv": ",", "tsv": "\t"}[kind])
        ((name, value),) = reader
        return {"id": name.encode(), "value": value.encode()}
    return {name: value.encode() for name, value in json.loads(raw).items() if value is not None}


@every_kind
def test_the_json_of_a_record_is_json_of_its_fields(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    batches = read(source, blocks, Projection(json=True))
    objects = [json.loads(text) for batch in batches for text in listed(batch.json)]
    assert [
        {name: value.encode() for name, value in one.items() if value is not None} for one in objects
    ] == form.expected(form.rows())


@cases("form", TEXTS, ids=by_name)
def test_the_line_of_a_record_is_its_text(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    batches = read(source, blocks, Projection(line=True))
    lines = [line for batch in batches for line in listed(batch.line)]
    with closing(source.open(ALL)) as reader:
        for block in blocks[:3]:
            assert block.first_record is not None
            assert reader.originals(block, [block.first_record])[0].raw == lines[block.first_record]
    assert [_read_alone(form, line) for line in lines] == form.expected(form.rows())


@every_kind
def test_only_what_a_projection_names_is_read(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    name = "line" if form.only_value else "value"
    batches = read(source, blocks, Projection(names=frozenset({"V"}), rename=((name, "V"),)))
    expected = [{"V": record.get(name)} for record in form.expected(form.rows())]
    assert [record for batch in batches for record in batch.fields.to_pylist()] == expected
    assert {batch.spread for batch in batches} <= {(), ("V",)}


@every_kind
def test_a_field_that_no_record_has_is_absent(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    batches = read(source, blocks, Projection(names=frozenset({"nothing"})))
    assert sum(map(len, batches)) == len(form.rows())
    for batch in batches:
        if "nothing" in batch.fields.schema.names:
            assert batch.fields.column("nothing").null_count == len(batch)


@every_kind
def test_an_empty_text_is_absent_if_it_is_to_be_left_out(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    kept = [{name: value for name, value in record.items() if value} for record in form.expected(form.rows())]
    if form.only_value:  # a line is what it is
        kept = form.expected(form.rows())
    assert records_in(read(source, blocks, Projection(all=True, omit_empty=True))) == kept


@every_kind
def test_a_reader_may_be_closed_twice(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    reader = source.open(ALL)
    list(reader.read(blocks[0]))
    reader.close()
    reader.close()


@cases("form", FILES, ids=by_name)
def test_a_file_that_has_grown_is_noticed_when_it_is_read_and_at_the_end(
    form: HashEncoding, tmp_path: Path
) -> None:
    source, blocks = opened(form, tmp_path)
    source.verify_unchanged()
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(SourceError, match=str(path)):
        source.verify_unchanged()
    with pytest.raises(SourceError, match=str(path)):
        read(source, list(source.blocks(100)) if source.streamed else blocks)


@cases("form", FILES, ids=by_name)
def test_a_file_that_was_replaced_is_noticed(form: HashEncoding, tmp_path: Path) -> None:
    source, blocks = opened(form, tmp_path)
    (path,) = tmp_path.iterdir()
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes())
    other.rename(path)
    with pytest.raises(SourceError, match="replaced"):
        source.verify_unchanged()
    with pytest.raises(SourceError, match="replaced"):
        read(source, list(source.blocks(100)) if source.streamed else blocks)


@cases("form", [form for form in HASH_ENCODINGS if not form.files], ids=by_name)
def test_what_is_no_file_cannot_have_changed(form: HashEncoding, tmp_path: Path) -> None:
    source, _ = opened(form, tmp_path)
    source.verify_unchanged()


@every_kind
def test_no_records_are_no_records(form: HashEncoding, tmp_path: Path) -> None:
    source = form.opened(tmp_path, [])
    assert records_in(read(source, list(source.blocks(100)))) == []


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
            budget=Budget(count=0),
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
@every_kind
def test_the_shards_of_a_source_have_every_record_once_and_in_order(
    form: HashEncoding, tmp_path: Path, split: str, workers: int
) -> None:
    source, blocks = opened(form, tmp_path, 100)
    found = shards(source, blocks, workers, split)
    expected = list(enumerate(form.expected(form.rows())))
    assert sorted((number, record) for shard in found for number, record in shard) == expected
    for worker, shard in enumerate(found):
        numbers = [number for number, _ in shard]
        assert numbers == sorted(numbers)
        if split == "record":
            assert numbers == list(range(worker, len(expected), workers))


# Several files


@cases("kind", ["txt", "csv", "tsv", "jsonl", "json", "parquet", "orc", "arrow", "arrow-stream"])
def test_files_are_read_one_after_the_other_and_empty_ones_are_no_records(kind: str, tmp_path: Path) -> None:
    form = next(form for form in HASH_ENCODINGS if form.name == kind)
    some = form.rows()
    paths = []
    for index, part in enumerate((some[:3], [], some[3:])):
        folder = tmp_path / f"{index}"
        folder.mkdir()
        form.opened(folder, part)
        paths += list(folder.iterdir())
    source = chosen(*paths, **said(kind))
    blocks = list(source.blocks(100))
    assert [block.number for block in blocks] == list(range(len(blocks)))
    batches = read(source, blocks)
    assert records_in(batches) == form.expected(some)
    assert [number for batch in batches for number in listed(batch.numbers)] == list(range(len(some)))
    full = [block for block in blocks if any(map(len, read(source, [block])))]  # of "[]" one is empty
    assert {source.name_of(block) for block in full} == {str(paths[0]), str(paths[2])}


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
