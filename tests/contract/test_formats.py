"""Every format on the shelf keeps the contract, as files, as compressed ones and as what is piped in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from etl.options import FORMATS
from etl.plan import Source
from etl.source.csv.format import Csv
from etl.source.json.array import JsonArray
from etl.source.json.lines import Jsonl
from etl.source.storage.stdin import StandardInput
from etl.source.text.format import TextFormat
from etl.source.text.lines import Lines
from etl.source.text.stream import open_text_stream
from etl.testing.format import FormatContract, TextFormatContract
from etl.testing.records import Fields, Record
from etl.testing.source import SourceContract, numbers_in, read, records_in
from tests.unit.source.streams import SUFFIX, compress

# Texts. Each is a class of what such a text is; tests are made of it with one of the ways in.


class OfLines(SourceContract):
    suffix: ClassVar[str] = ".txt"
    options: ClassVar[Mapping[str, Any]] = {"format": "lines"}  # with NUL bytes in them
    format: ClassVar[TextFormat] = Lines()
    cannot = ("null", "line-breaks", "crlf", "protocol")
    fields = ("line",)
    value = "line"

    def as_read(self, id: str, value: str | None) -> Fields:
        return {"line": (value or "").encode()}

    def parsed(self, original: bytes) -> Fields:
        return {"line": original}

    def text_of(self, records: Sequence[Record]) -> bytes:
        return b"".join((value or "").encode() + b"\n" for _, value in records)


class OfCsv(SourceContract):
    suffix: ClassVar[str] = ".csv"
    format: ClassVar[TextFormat] = Csv()
    delimiter = ","
    end = "\r\n"
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
    instead: ClassVar[Mapping[str, Fields]] = {"null": {"id": b"null", "value": b""}}

    def parsed(self, original: bytes) -> Fields:
        csv.field_size_limit(1 << 21)
        text = io.StringIO(original.decode(), newline="")
        ((id, value),) = csv.reader(text, delimiter=self.delimiter)
        return {"id": id.encode(), "value": value.encode()}

    def text_of(self, records: Sequence[Record]) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator=self.end, quoting=self.quoting)
        writer.writerows([("id", "value"), *records])
        return out.getvalue().encode()


class OfTsv(OfCsv):
    suffix = ".tsv"
    format: ClassVar[TextFormat] = Csv("\t")
    delimiter = "\t"
    end = "\n"
    quoting = csv.QUOTE_ALL


class OfJsonl(SourceContract):
    suffix: ClassVar[str] = ".jsonl"
    format: ClassVar[TextFormat] = Jsonl()
    fields = None

    def parsed(self, original: bytes) -> Fields:
        return {name: text.encode() for name, text in json.loads(original).items() if text is not None}

    def text_of(self, records: Sequence[Record]) -> bytes:
        return "".join(line + "\n" for line in self.objects(records, ensure_ascii=True)).encode()

    def objects(self, records: Sequence[Record], *, ensure_ascii: bool) -> list[str]:
        return [json.dumps({"id": id, "value": value}, ensure_ascii=ensure_ascii) for id, value in records]


class OfJson(OfJsonl):
    suffix = ".json"
    format: ClassVar[TextFormat] = JsonArray()

    def text_of(self, records: Sequence[Record]) -> bytes:
        return ("[\n" + ",\n".join(self.objects(records, ensure_ascii=False)) + "\n]\n").encode()


class AsFiles(TextFormatContract):
    def text_of(self, records: Sequence[Record]) -> bytes:
        raise NotImplementedError

    def write(self, path: Path, records: Sequence[Record]) -> None:
        path.write_bytes(self.text_of(records))

    def test_every_codec_gives_the_same_records(self, tmp_path: Path) -> None:
        text = self.text_of(self.records())
        for codec, suffix in SUFFIX.items():
            path = tmp_path / f"records{self.suffix}{suffix}"
            path.write_bytes(compress(codec, text))
            source = self.source_of(path)
            batches = read(source, list(source.blocks(100)))
            assert records_in(batches) == self.expected(self.records())
            assert numbers_in(batches) == list(range(len(self.records())))


class AsGzip(TextFormatContract):
    def text_of(self, records: Sequence[Record]) -> bytes:
        raise NotImplementedError

    def write(self, path: Path, records: Sequence[Record]) -> None:
        path.write_bytes(gzip.compress(self.text_of(records), 1))


class AsPipe(SourceContract):
    """Standard input, a pipe into which somebody writes meanwhile."""

    format: ClassVar[TextFormat]

    def text_of(self, records: Sequence[Record]) -> bytes:
        raise NotImplementedError

    def open(self, folder: Path, records: Sequence[Record]) -> Source:
        end_read, end_write = os.pipe()

        def write() -> None:
            with open(end_write, "wb") as pipe:
                pipe.write(self.text_of(records))

        threading.Thread(target=write, daemon=True).start()
        return open_text_stream([StandardInput(end_read)], self.format)


class TestLines(OfLines, AsFiles): ...


class TestCsv(OfCsv, AsFiles): ...


class TestTsv(OfTsv, AsFiles): ...


class TestJsonl(OfJsonl, AsFiles): ...


class TestJson(OfJson, AsFiles): ...


class TestGzippedLines(OfLines, AsGzip):
    suffix = ".txt.gz"


class TestGzippedCsv(OfCsv, AsGzip):
    suffix = ".csv.gz"


class TestGzippedJsonl(OfJsonl, AsGzip):
    suffix = ".jsonl.gz"


class TestGzippedJson(OfJson, AsGzip):
    suffix = ".json.gz"


class TestPipedLines(OfLines, AsPipe): ...


class TestPipedCsv(OfCsv, AsPipe): ...


class TestPipedTsv(OfTsv, AsPipe): ...


class TestPipedJsonl(OfJsonl, AsPipe): ...


class TestPipedJson(OfJson, AsPipe): ...


# Tables


def table_of(records: Sequence[Record]) -> pa.Table:
    ids = pa.array([id for id, _ in records], pa.string())
    return pa.table({"id": ids, "value": pa.array([value for _, value in records], pa.string())})


class TestParquet(FormatContract):
    suffix = ".parquet"

    def write(self, path: Path, records: Sequence[Record]) -> None:
        pyarrow.parquet.write_table(table_of(records), path, row_group_size=4)


class TestOrc(FormatContract):
    suffix = ".orc"

    def write(self, path: Path, records: Sequence[Record]) -> None:
        with pyarrow.orc.ORCWriter(path, stripe_size=1, batch_size=4) as writer:
            writer.write(table_of(records))


class TestArrow(FormatContract):
    suffix = ".arrow"

    def write(self, path: Path, records: Sequence[Record]) -> None:
        table = table_of(records)
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=4)


class TestFeather(FormatContract):
    suffix = ".feather"

    def write(self, path: Path, records: Sequence[Record]) -> None:
        pyarrow.feather.write_feather(table_of(records), str(path), compression="lz4", chunksize=4)


class TestArrowStream(FormatContract):
    suffix = ".arrows"
    unread = 8  # the mark of the stream's end

    def write(self, path: Path, records: Sequence[Record]) -> None:
        table = table_of(records)
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=4)


def test_every_format_on_the_shelf_is_here() -> None:
    suffixes = {one.suffix for one in globals().values() if isinstance(one, type) and hasattr(one, "suffix")}
    for name, member in FORMATS.members():
        assert suffixes & set(member.SUFFIXES), name


def test_what_a_format_cannot_hold_is_little() -> None:
    for one in (OfLines, OfCsv, OfTsv, OfJsonl, OfJson):
        assert set(getattr(one, "cannot", ())) <= {"null", "line-breaks", "crlf", "protocol"}
        assert set(getattr(one, "instead", ())) <= {"null"}
