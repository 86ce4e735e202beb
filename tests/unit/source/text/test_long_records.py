"""Records longer than --max-record: rejects that hold their beginning; else one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Projection, Reject, Source
from etl.source.choose import choose_source
from etl.source.csv.format import Csv
from etl.source.json.array import JsonArray
from etl.source.json.lines import Jsonl
from etl.source.storage.local import OpenFile, find_files
from etl.source.text import long_records
from etl.source.text.files import open_text_files
from etl.source.text.format import TextFormat
from etl.source.text.lines import Lines
from etl.source.text.stream import open_text_stream
from tests.unit.source.streams import Bytes

MOST = 40
LINE = Projection(names=frozenset({"line"}), line=True)
CSV = Csv(",", '"', ("a", "b"))


@dataclass(frozen=True)
class Memory:
    """An Input over bytes, which remembers the stream that it has opened last."""

    data: bytes
    opened: list[Bytes] = field(default_factory=list)
    name = identity = "memory"
    fingerprint = nbytes = None

    def open(self) -> Bytes:
        self.opened.append(Bytes(self.data))
        return self.opened[-1]

    def release(self, stream: Any, head: bytes) -> None:
        """Nothing is kept."""

    def verify_unchanged(self) -> None:
        """Bytes do not change."""


def sources_of(folder: Path, data: bytes, format: TextFormat, most: int) -> Iterator[Source]:
    path = folder / "a.txt"
    path.write_bytes(data)
    yield open_text_files(find_files([str(path)]), format, max_record=most)
    yield open_text_stream([Memory(data)], format, max_record=most)


def read(source: Source, block_bytes: int) -> tuple[dict[int, bytes], dict[int, Reject]]:
    """Return the original texts of a source's records, and its rejects, by their numbers."""
    texts: dict[int, bytes] = {}
    rejects: dict[int, Reject] = {}
    with closing(source.open(LINE)) as reader:
        for block in source.blocks(block_bytes):
            for batch in reader.read(block):
                assert batch.numbers is not None
                lines = [] if batch.line is None else batch.line.to_pylist()
                texts |= zip(batch.numbers.to_pylist(), lines, strict=True)
                rejects |= {reject.record: reject for reject in batch.rejects if reject.record is not None}
    return texts, rejects


CASES: list[tuple[TextFormat, list[bytes]]] = [
    (Lines(), [b"a", b"x" * 39, b"y" * 40, b"z" * 500, b""]),
    (Jsonl(), [b'{"a":1}', b'{"a":"' + b"x" * 31 + b'"}', b'{"a":"' + b"y" * 200 + b'"}']),
    (CSV, [b"1,2", b"3," + b"x" * 37, b'"4\n\n",5', b"6," + b"y" * 300, b'"7,8",' + b"z" * 300]),
]


@pytest.mark.parametrize("case", range(len(CASES)))
@settings(max_examples=30)
@given(data=st.data(), block_bytes=st.integers(1, 1000), ended=st.booleans())
def test_a_record_that_is_too_long_is_a_reject_and_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, case: int, data: st.DataObject, block_bytes: int, ended: bool
) -> None:
    format, pieces = CASES[case]
    records = data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=8))
    text = b"\n".join(records) + (b"\n" if ended or not records[-1] else b"")
    folder = tmp_path_factory.mktemp("long")
    for source in sources_of(folder, text, format, MOST):
        texts, rejects = read(source, block_bytes)
        assert sorted([*texts, *rejects]) == list(range(len(records)))
        offset = 0
        for number, record in enumerate(records):
            last = number == len(records) - 1 and not text.endswith(b"\n")
            if len(record) + (0 if last else 1) <= MOST:
                assert texts[number] == record
            else:
                reject = rejects[number]
                assert reject.offset == offset
                cut_off = record.startswith(reject.raw) and "bytes are kept here" in reject.reason
                assert reject.raw == record or cut_off
                assert "more than --max-record allows (40 B)" in reject.reason
            offset += len(record) + 1


def test_of_a_long_record_only_the_beginning_is_kept_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_records, "KEPT_BYTES", 10)
    for source in sources_of(tmp_path, b"a\n" + b"x" * 3000 + b"\nb\n", Lines(), 100):
        texts, rejects = read(source, 50)
        assert texts == {0: b"a", 2: b"b"}
        assert rejects[1].raw == b"x" * 10
        assert rejects[1].offset == 2
        assert rejects[1].reason == (
            "it takes 3,001 bytes, more than --max-record allows (100 B); the first 10 bytes are kept here"
        )


def test_what_a_long_record_holds_in_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_at_once: list[int] = []
    pread = OpenFile.read

    def counting(self: OpenFile, start: int, stop: int) -> bytes:
        read_at_once.append(stop - start)
        return pread(self, start, stop)

    monkeypatch.setattr(OpenFile, "read", counting)
    scanned: list[int] = []

    @dataclass(frozen=True)
    class Watched(Lines):
        def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
            scanned.append(len(data))
            return super().scan(data, final=final)

    for source in sources_of(tmp_path, b"a\n" + b"x" * 5_000_000 + b"\nb\n", Watched(), 100_000):
        blocks = list(source.blocks(10_000))
        assert [(block.first_record, block.long_bytes) for block in blocks] == [
            (0, None),
            (1, 5_000_001),
            (2, None),
        ]
        assert max(len(block.payload or b"") for block in blocks) <= long_records.KEPT_BYTES
    assert max(scanned) <= 100_000 + 2 * 10_000
    assert max(read_at_once) <= 1 << 20


def test_where_the_end_cannot_be_told_the_run_ends_with_one_sentence(tmp_path: Path) -> None:
    cases: list[tuple[TextFormat, bytes, int, str]] = [
        (CSV, b'1,2\n"3,' + b"x" * 500 + b"\n4,5\n", 4, "a quote is opened in it and not closed"),
        (CSV, b"1,2\n3," + b"x" * 300 + b',"a\n4,5\n', 4, "a quote is opened in it"),
        (JsonArray(), b'[{"a":1},{"a":"' + b"x" * 500 + b'"}]', 9, "it is an element of an array"),
    ]
    for format, text, at, why in cases:
        for source in sources_of(tmp_path, text, format, MOST):
            with pytest.raises(SourceError) as caught:
                read(source, 10)
            message = str(caught.value)
            assert f": the record at byte {at} is longer than 40 B (--max-record), and where" in message
            assert why in message
            assert message.endswith("or give a larger --max-record (at most 512MB)")


def test_elements_of_an_array_that_end_within_a_block_are_rejects_too(tmp_path: Path) -> None:
    text = b'[{"a":1}, {"a":"' + b"x" * 100 + b'"}, {"a":2}]'
    (tmp_path / "a.json").write_bytes(text)
    source = open_text_files(find_files([str(tmp_path / "a.json")]), JsonArray(), max_record=MOST)
    texts, rejects = read(source, 1000)
    assert texts == {0: b'{"a":1}', 2: b'{"a":2}'}
    assert rejects[1].raw == b'{"a":"' + b"x" * 100 + b'"}'


def rejected(source: Source) -> tuple[int, list[Reject]]:
    records = 0
    rejects: list[Reject] = []
    with closing(source.open(Projection(all=True, json=True))) as reader:
        for block in source.blocks(1 << 20):
            for batch in reader.read(block):
                records += len(batch)
                rejects += batch.rejects
    return records, rejects


def test_long_records_of_tables_and_objects_are_rejects_with_their_short_fields(tmp_path: Path) -> None:
    texts = ["short", "x" * 200_000, "short", None]
    table = pa.table({"id": [0, 1, 2, 3], "text": texts})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.OSFile(str(tmp_path / "a.arrow"), "w") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    for given_ in (tmp_path / "a.parquet", tmp_path / "a.arrow", table):
        source = choose_source([given_], LoadOptions(max_record=100_000, key="{id}"))
        records, (reject,) = rejected(source)
        assert records == 3
        assert reject.record == 1
        assert reject.raw == b'{"id":1}'
        assert "more than --max-record allows (100.0 kB)" in reject.reason
        assert rejected(choose_source([given_], LoadOptions(key="{id}"))) == (4, [])
    objects = [*table.to_pylist(), {"id": 4, "text": b"y" * 200_000}]
    records, rejects = rejected(choose_source([objects], LoadOptions(max_record=100_000, key="{id}")))
    assert records == 3
    assert [reject.record for reject in rejects] == [1, 4]
    assert all("more than --max-record allows (100.0 kB)" in reject.reason for reject in rejects)
    assert all(len(reject.raw) <= 70_000 for reject in rejects)


def test_a_dictionary_counts_what_its_values_are_in_each_record() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 0]), pa.array(["x" * 1000, "y"]))
    source = choose_source([pa.table({"a": column})], LoadOptions(max_record=500, key="{#}"))
    records, rejects = rejected(source)
    assert records == 2
    assert [reject.record for reject in rejects] == [0, 3]


def test_a_header_that_is_too_long_is_refused_before_all_of_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b" " * 500_000 + b"[]")
    with pytest.raises(SourceError, match=r"the beginning of .* has no end in 131,072 bytes"):
        choose_source([tmp_path / "a.json"], LoadOptions(max_record=100_000, key="{#}"))
