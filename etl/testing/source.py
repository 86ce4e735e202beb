"""The contract of a source (``etl/plan/source.py``), whatever its records come from."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from etl.plan import Batch, Block, Projection, Reject, Share, Source, owner
from etl.testing.records import TEXTS, Fields, Record
from etl.worker.selection import own_records

ALL = Projection(all=True)
SIZES = (20, 100, 1 << 20)
"""Sizes of blocks: of a record each, of a few, of everything."""


class SourceContract:
    """Subclass it as ``TestMine`` with ``open``; pytest finds the tests."""

    cannot: ClassVar[tuple[str, ...]] = ()
    """Ids of the records (``TEXTS``) that it cannot hold, by its nature."""

    instead: ClassVar[Mapping[str, Fields]] = {}
    """What is read of some records where that is not their id and their value."""

    fields: ClassVar[tuple[str, ...] | None] = ("id", "value")
    """The fields that the source names before a record is read; None: each record has its own."""

    value: ClassVar[str] = "value"
    """The field that has a record's value."""

    unread: ClassVar[int] = 0
    """Bytes of the input that come after its last block."""

    def open(self, folder: Path, records: Sequence[Record]) -> Source:
        """Write records into a folder, if need be, and return their source."""
        raise NotImplementedError

    def expected(self, records: Sequence[Record]) -> list[Fields]:
        """Return what is read of records."""
        return [self.instead.get(id, self.as_read(id, value)) for id, value in records]

    def as_read(self, id: str, value: str | None) -> Fields:
        """Return the fields of a record."""
        return {"id": id.encode()} | ({} if value is None else {"value": value.encode()})

    def parsed(self, original: bytes) -> Fields:
        """Parse the original of one record, as rejects have it: JSON, where the source has no text."""
        return {name: text.encode() for name, text in json.loads(original).items() if text is not None}

    def records(self) -> list[Record]:
        """Return the records that the source can hold."""
        return [(id, value) for id, value in TEXTS.items() if id not in self.cannot]

    def opened(self, folder: Path, block_bytes: int = 100) -> tuple[Source, list[Block]]:
        """Return a source of all records, and its blocks."""
        source = self.open(folder, self.records())
        return source, list(source.blocks(block_bytes))

    def test_every_record_is_read_once_and_in_order_whatever_the_size_of_a_block(
        self, tmp_path: Path
    ) -> None:
        for block_bytes in SIZES:
            folder = tmp_path / f"{block_bytes}"
            folder.mkdir()
            source, blocks = self.opened(folder, block_bytes)
            batches = read(source, blocks)
            assert records_in(batches) == self.expected(self.records())
            assert numbers_in(batches) == list(range(len(self.records())))
            for batch in batches:
                assert {column.type for column in batch.fields.columns} == {pa.binary()}
                assert set(batch.spread) <= set(batch.fields.schema.names)

    def test_every_record_has_one_worker_however_they_are_split(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path)
        expected = list(enumerate(self.expected(self.records())))
        for split, workers in (("block", 1), ("block", 3), ("record", 2), ("record", 3)):
            found: list[tuple[int, Fields]] = []
            for worker in range(workers):
                own = _shard(source, blocks, split=split, workers=workers, worker=worker)
                assert own == sorted(own)
                found += own
            assert sorted(found) == expected

    def test_blocks_are_numbered_cover_the_input_and_know_their_first_record(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path)
        assert [block.number for block in blocks] == list(range(len(blocks)))
        assert all(block.start <= block.stop for block in blocks)
        assert all(before.stop == after.start for before, after in pairwise(blocks))
        assert all((block.payload is not None) == source.streamed for block in blocks)
        if source.nbytes is not None:
            assert source.nbytes - blocks[-1].stop == self.unread
            assert blocks[0].start < 64  # a header at most
        first_record = 0
        for block in blocks:
            assert block.first_record == first_record
            assert source.name_of(block)
            first_record += sum(len(batch) for batch in read(source, [block]))
        assert first_record == len(self.records())

    def test_fields_are_named_where_every_record_has_the_same(self, tmp_path: Path) -> None:
        assert self.opened(tmp_path)[0].fields == self.fields

    def test_a_source_and_its_blocks_travel_and_are_read_there_in_any_order(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path)
        travelled: Source = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
        copies: list[Block] = pickle.loads(pickle.dumps(blocks))  # noqa: S301
        with closing(travelled.open(ALL)) as reader:
            there = {block.number: list(reader.read(block)) for block in (*copies[::-1], *copies)}
        batches = [batch for number in sorted(there) for batch in there[number]]
        assert records_in(batches) == self.expected(self.records())
        assert travelled.names == source.names

    def test_the_original_of_every_record_is_found_again(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path, 300)
        found = originals(source, blocks, len(self.records()))
        assert [reject.record for reject in found] == list(range(len(self.records())))
        assert [self.parsed(reject.raw) for reject in found] == self.expected(self.records())

    def test_the_json_of_a_record_is_json_of_its_fields(self, tmp_path: Path) -> None:
        batches = read(*self.opened(tmp_path), Projection(json=True))
        objects = [json.loads(text) for batch in batches for text in listed(batch.json)]
        found = [
            {name: value.encode() for name, value in one.items() if value is not None} for one in objects
        ]
        assert found == self.expected(self.records())

    def test_only_what_a_projection_names_is_read(self, tmp_path: Path) -> None:
        projection = Projection(names=frozenset({"V"}), rename=((self.value, "V"),))
        batches = read(*self.opened(tmp_path), projection)
        expected = [{"V": record.get(self.value)} for record in self.expected(self.records())]
        assert [record for batch in batches for record in batch.fields.to_pylist()] == expected
        assert {batch.spread for batch in batches} <= {(), ("V",)}

    def test_a_field_that_no_record_has_is_absent(self, tmp_path: Path) -> None:
        batches = read(*self.opened(tmp_path), Projection(names=frozenset({"nothing"})))
        assert sum(map(len, batches)) == len(self.records())
        for batch in batches:
            if "nothing" in batch.fields.schema.names:
                assert batch.fields.column("nothing").null_count == len(batch)

    def test_an_empty_text_is_absent_if_it_is_to_be_left_out(self, tmp_path: Path) -> None:
        kept = [
            {name: text for name, text in record.items() if text or name == "line"}  # a line is what it is
            for record in self.expected(self.records())
        ]
        assert records_in(read(*self.opened(tmp_path), Projection(all=True, omit_empty=True))) == kept

    def test_a_reader_may_be_closed_twice(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path)
        reader = source.open(ALL)
        list(reader.read(blocks[0]))
        reader.close()
        reader.close()

    def test_no_records_are_no_records(self, tmp_path: Path) -> None:
        source = self.open(tmp_path, [])
        assert records_in(read(source, list(source.blocks(100)))) == []

    def test_a_source_that_stays_as_it_is_is_unchanged(self, tmp_path: Path) -> None:
        source, _ = self.opened(tmp_path)
        source.verify_unchanged()


def read(source: Source, blocks: Sequence[Block], projection: Projection = ALL) -> list[Batch]:
    """Return what a reader makes of blocks."""
    with closing(source.open(projection)) as reader:
        return [batch for block in blocks for batch in reader.read(block)]


def records_in(batches: Sequence[Batch]) -> list[Fields]:
    """Return the records of batches without their absent fields; there may be no rejects."""
    assert not [batch.rejects for batch in batches if batch.rejects]
    return [
        {name: value for name, value in record.items() if value is not None}
        for batch in batches
        for record in batch.fields.select(batch.spread).to_pylist()
    ]


def numbers_in(batches: Sequence[Batch]) -> list[int]:
    """Return the numbers of the records of batches."""
    return [number for batch in batches for number in listed(batch.numbers)]


def originals(source: Source, blocks: Sequence[Block], count: int) -> list[Reject]:
    """Return the originals of all ``count`` records, asked for block by block."""
    stops = [*(block.first_record for block in blocks[1:]), count]
    found: list[Reject] = []
    with closing(source.open(ALL)) as reader:
        for block, stop in zip(blocks, stops, strict=True):
            assert block.first_record is not None
            assert stop is not None
            rejects = reader.originals(block, range(block.first_record, stop))
            assert {(reject.file, reject.reason) for reject in rejects} <= {(source.name_of(block), "")}
            assert reader.originals(block, [reject.record or 0 for reject in rejects[1::3]]) == rejects[1::3]
            assert reader.originals(block, []) == []
            found += rejects
    return found


def listed(column: pa.Array | None) -> list[Any]:
    """Return the values of a column that a batch must have."""
    assert column is not None
    return list(column.to_pylist())


def _shard(
    source: Source, blocks: Sequence[Block], *, split: str, workers: int, worker: int
) -> list[tuple[int, Fields]]:
    """Return what one worker reads, with the records' numbers, by the rule that workers have."""
    whole = split == "block"
    share = Share(1, 0) if whole else Share(workers, worker)
    found: list[tuple[int, Fields]] = []
    with closing(source.open(ALL)) as reader:
        for block in blocks:
            if whole and owner(block, workers) != worker:
                continue
            batches = [own_records(batch, block, share)[0] for batch in reader.read(block)]
            found += zip(numbers_in(batches), records_in(batches), strict=True)
    return found
