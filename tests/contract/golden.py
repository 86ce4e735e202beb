"""The golden records, and every form in which they are written: a new format is a new line in FORMS.

Two tables. GOLDEN has texts, each in a record of its own (its name and the text): what any format has to
hold, or ``cannot`` by the format's nature. TYPED has values with types, all of them fields of one record.
"""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from etl.options import LoadOptions
from etl.plan import Source
from etl.source.choose import choose_source
from etl.source.csv.format import Csv
from etl.source.json.array import JsonArray
from etl.source.json.lines import Jsonl
from etl.source.storage.stdin import StandardInput
from etl.source.text.format import TextFormat
from etl.source.text.lines import Lines
from etl.source.text.stream import open_text_stream
from tests.unit.source.streams import SUFFIX, compress

GOLDEN: dict[str, str | None] = {
    "plain": "a",
    "unicode": "ünï €uro 漢字 😀 \u202e",
    "empty": "",
    "nul": "a\0b",
    "megabyte": "x" * (1 << 20),
    "minus-zero": "-0.0",
    "nan": "NaN",
    "null": None,
    "word-null": "null",
    "braces": "{a}{{b}}{#}{*}{x[]}",
    "quotes": '"q" \'q\' ""',
    "backslashes": "\\n\\\\\\u0041\\",
    "line-breaks": "first\nsecond\n\nlast\n",
    "crlf": "first\r\nsecond\r\n",
    "delimiters": "a,b;c\td|e",
    "white": "  a\t ",
    "zeros": "007",
    "cents": "1.10",
    "exponent": "1e5",
    "twenty-digits": "12345678901234567890",
    "protocol": "*1\r$8\rFLUSHALL\r",
    "array": '[{"a": [1, 2]}, "]"]',
    "last": "z",
}

Fields = dict[str, bytes]
"""A record as a Reader gives it: without the fields that are absent."""

ErrorPolicy = tuple[str, str | None]


def rows(*, without: Sequence[str] = ()) -> list[ErrorPolicy]:
    return [(name, text) for name, text in GOLDEN.items() if name not in without]


@dataclass(frozen=True)
class HashEncoding:
    """A way to write records: ``opened(folder, rows)`` writes them and gives the source.

    ``cannot`` names the golden records that it cannot hold; ``instead`` says what it makes of some.
    ``text``: the whole text of the input, where it is one. ``files``: it can be changed behind our back.
    """

    name: str
    opened: Callable[[Path, Sequence[ErrorPolicy]], Source]
    text: Callable[[Sequence[ErrorPolicy]], bytes] | None = None
    cannot: tuple[str, ...] = ()
    instead: Mapping[str, Fields] = field(default_factory=dict)
    only_value: bool = False
    files: bool = True
    codec: str | None = None

    def rows(self) -> list[ErrorPolicy]:
        return rows(without=self.cannot)

    def expected(self, some: Sequence[ErrorPolicy]) -> list[Fields]:
        return [self.instead.get(name, self._fields(name, text)) for name, text in some]

    def _fields(self, name: str, text: str | None) -> Fields:
        if self.only_value:
            assert text is not None
            return {"line": text.encode()}
        return {"id": name.encode()} | ({} if text is None else {"value": text.encode()})


def _lines(some: Sequence[ErrorPolicy]) -> bytes:
    return b"".join((text or "").encode() + b"\n" for _, text in some)


def _separated(
    delimiter: str, end: str, *, quote_all: bool = False
) -> Callable[[Sequence[ErrorPolicy]], bytes]:
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL

    def text(some: Sequence[ErrorPolicy]) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([("id", "value"), *some])
        return out.getvalue().encode()

    return text


def _objects(some: Sequence[ErrorPolicy], *, ensure_ascii: bool) -> list[str]:
    return [json.dumps({"id": name, "value": text}, ensure_ascii=ensure_ascii) for name, text in some]


def _jsonl(some: Sequence[ErrorPolicy]) -> bytes:
    return "".join(line + "\n" for line in _objects(some, ensure_ascii=True)).encode()


def _json(some: Sequence[ErrorPolicy]) -> bytes:
    return ("[\n" + ",\n".join(_objects(some, ensure_ascii=False)) + "\n]\n").encode()


def chosen(*sources: Any, **options: Any) -> Source:
    """Choose a source as the command line does."""
    return choose_source(sources, LoadOptions(**options))


def said(name: str) -> dict[str, str]:
    """Return the options without which lines with NUL bytes are refused as no text."""
    return {"format": "lines"} if name.startswith("txt") else {}


def _file(
    name: str, text: Callable[[Sequence[ErrorPolicy]], bytes]
) -> Callable[[Path, Sequence[ErrorPolicy]], Source]:
    def opened(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
        path = folder / f"golden.{name}"
        path.write_bytes(text(some))
        return chosen(path, **said(name))

    return opened


def _compressed(
    name: str, codec: str, text: Callable[[Sequence[ErrorPolicy]], bytes]
) -> Callable[[Path, Sequence[ErrorPolicy]], Source]:
    def opened(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
        path = folder / f"golden.{name}{SUFFIX[codec]}"
        path.write_bytes(compress(codec, text(some)))
        return chosen(path, **said(name))

    return opened


def _piped(
    format: TextFormat, text: Callable[[Sequence[ErrorPolicy]], bytes]
) -> Callable[[Path, Sequence[ErrorPolicy]], Source]:
    """Open standard input, which is a pipe that somebody writes into meanwhile."""

    def opened(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
        end_read, end_write = os.pipe()

        def write() -> None:
            with open(end_write, "wb") as pipe:
                pipe.write(text(some))

        threading.Thread(target=write, daemon=True).start()
        return open_text_stream([StandardInput(end_read)], format)

    return opened


_TEXTS: list[tuple[str, TextFormat, Callable[[Sequence[ErrorPolicy]], bytes], dict[str, Any]]] = [
    ("txt", Lines(), _lines, {"cannot": ("null", "line-breaks", "crlf", "protocol"), "only_value": True}),
    ("csv", Csv(), _separated(",", "\r\n"), {"instead": {"null": {"id": b"null", "value": b""}}}),
    (
        "tsv",
        Csv("\t"),
        _separated("\t", "\n", quote_all=True),
        {"instead": {"null": {"id": b"null", "value": b""}}},
    ),
    ("jsonl", Jsonl(), _jsonl, {}),
    ("json", JsonArray(), _json, {}),
]


def _texts() -> list[HashEncoding]:
    forms = []
    for name, format, text, more in _TEXTS:
        forms.append(HashEncoding(name, _file(name, text), text=text, **more))
        forms += [
            HashEncoding(f"{name}-{codec}", _compressed(name, codec, text), text=text, codec=codec, **more)
            for codec in SUFFIX
        ]
        forms.append(HashEncoding(f"{name}-stdin", _piped(format, text), text=text, files=False, **more))
    return forms


def table_of(some: Sequence[ErrorPolicy]) -> pa.Table:
    names = pa.array([name for name, _ in some], pa.string())
    return pa.table({"id": names, "value": pa.array([text for _, text in some], pa.string())})


def _parquet(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
    pyarrow.parquet.write_table(table_of(some), folder / "golden.parquet", row_group_size=4)
    return chosen(folder / "golden.parquet")


def _orc(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
    with pyarrow.orc.ORCWriter(folder / "golden.orc", stripe_size=1, batch_size=4) as writer:
        writer.write(table_of(some))
    return chosen(folder / "golden.orc")


def _arrow(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
    table = table_of(some)
    with pa.ipc.new_file(folder / "golden.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return chosen(folder / "golden.arrow")


def _arrow_stream(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
    table = table_of(some)
    with pa.ipc.new_stream(folder / "golden.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return chosen(folder / "golden.arrows")


def _feather(folder: Path, some: Sequence[ErrorPolicy]) -> Source:
    pyarrow.feather.write_feather(
        table_of(some), str(folder / "golden.feather"), compression="lz4", chunksize=4
    )
    return chosen(folder / "golden.feather")


def _object(make: Callable[[Sequence[ErrorPolicy]], Any]) -> Callable[[Path, Sequence[ErrorPolicy]], Source]:
    return lambda folder, some: chosen(make(some))


def _pandas(some: Sequence[ErrorPolicy]) -> Any:
    import pandas as pd

    return pd.DataFrame({"id": [name for name, _ in some], "value": [text for _, text in some]})


def _polars(some: Sequence[ErrorPolicy]) -> Any:
    import polars as pl

    return pl.DataFrame(
        {"id": [name for name, _ in some], "value": [text for _, text in some]},
        schema={"id": pl.String, "value": pl.String},
    )


def _reader(some: Sequence[ErrorPolicy]) -> pa.RecordBatchReader:
    return table_of(some).to_reader(max_chunksize=4)


def _dicts(some: Sequence[ErrorPolicy]) -> list[dict[str, Any]]:
    return [{"id": name, "value": text} for name, text in some]


TEXT_FORMS = _texts()
TABLE_FORMS = [
    HashEncoding("parquet", _parquet),
    HashEncoding("orc", _orc),
    HashEncoding("arrow", _arrow),
    HashEncoding("feather", _feather),
    HashEncoding("arrow-stream", _arrow_stream),
    HashEncoding("pyarrow", _object(table_of), files=False),
    HashEncoding("record-batches", _object(_reader), files=False),
    HashEncoding("pandas", _object(_pandas), files=False),
    HashEncoding("polars", _object(_polars), files=False),
]
HASH_ENCODINGS = [
    *TEXT_FORMS,
    *TABLE_FORMS,
    HashEncoding("dicts", _object(_dicts), files=False),
    HashEncoding("generator", _object(lambda some: iter(_dicts(some))), files=False),
]


# Values with types: one record, a field each.


@dataclass(frozen=True)
class Typed:
    """A value: as JSON, as an Arrow column of one, as a Python object, and the texts that these become.

    ``None`` where there is no such thing: JSON has no NaN and no bytes.
    """

    name: str
    json: str | None
    json_text: str | None
    column: pa.Array
    column_text: bytes
    value: Any
    value_text: bytes


TYPED = [
    Typed("minus-zero", "-0.0", "-0.0", pa.array([-0.0]), b"-0.0", -0.0, b"-0.0"),
    Typed("nan", None, None, pa.array([float("nan")]), b"nan", float("nan"), b"nan"),
    Typed("infinity", None, None, pa.array([float("-inf")]), b"-inf", float("-inf"), b"-inf"),
    Typed("float", "0.1", "0.1", pa.array([0.1]), b"0.1", 0.1, b"0.1"),
    Typed("float32", "0.10000", "0.10000", pa.array([0.1], pa.float32()), b"0.1", 0.5, b"0.5"),
    Typed(
        "cents",
        "1.10",
        "1.10",
        pa.array([Decimal("1.10")], pa.decimal128(9, 2)),
        b"1.10",
        Decimal("1.10"),
        b"1.10",
    ),
    Typed("exponent", "1e5", "1e5", pa.array([1e5]), b"100000.0", 1e5, b"100000.0"),
    Typed(
        "twenty-digits",
        "12345678901234567890",
        "12345678901234567890",
        pa.array([12345678901234567890], pa.uint64()),
        b"12345678901234567890",
        12345678901234567890,
        b"12345678901234567890",
    ),
    Typed("yes", "true", "true", pa.array([True]), b"true", True, b"true"),
    Typed("no", "false", "false", pa.array([False]), b"false", False, b"false"),
    Typed(
        "nested",
        '{"a" : [1.10, null, "\\u00fc"]}',
        '{"a":[1.10,null,"ü"]}',
        pa.array([{"a": [1, None]}]),
        b'{"a":[1,null]}',
        {"a": [1, None, "ü"]},
        '{"a":[1,null,"ü"]}'.encode(),
    ),
    Typed("bytes", None, None, pa.array([b"\xff\0"]), b"\xff\0", b"\xff\0", b"\xff\0"),
    Typed(
        "vector",
        "[1, 0.5]",
        "[1,0.5]",
        pa.array([[1.0, 0.5]], pa.list_(pa.float32(), 2)),
        b"\0\0\x80\x3f\0\0\0\x3f",
        [1, 0.5],
        b"[1,0.5]",
    ),
]


def listed(column: pa.Array | None) -> list[Any]:
    """Return the values of a column that a batch must have."""
    assert column is not None
    return list(column.to_pylist())
