"""Files that are no text are told by their first bytes, and named with what to type instead."""

from __future__ import annotations

import io
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.source.choose import choose_source
from tests.unit.source.streams import CODECS, SUFFIX, compress

ERROR_POLICIES = pa.table({"a": [1, 2]})


def zipped(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, b"a,b\n1,2\n")
    return sink.getvalue()


def tarred() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO(b""))
    return sink.getvalue()


def database(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / "made.db")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return (folder / "made.db").read_bytes()


def written(write: Any) -> bytes:
    sink = io.BytesIO()
    write(ERROR_POLICIES, sink)
    return sink.getvalue()


def stream() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, ERROR_POLICIES.schema) as writer:
        writer.write_table(ERROR_POLICIES)
    return sink.getvalue()


def test_what_is_no_text_is_refused_by_what_it_seems_to_be(tmp_path: Path) -> None:
    cases = {
        "a.zip": (zipped("a.csv"), "a ZIP archive", "unzip -p"),
        "a.xlsx": (
            zipped("[Content_Types].xml", "xl/workbook.xml"),
            "an Excel workbook",
            "save its table as CSV",
        ),
        "a.tar": (tarred(), "a tar archive", "tar -xOf"),
        "a.tar.gz": (compress("gzip", tarred()), "a tar archive", "tar -xOf"),
        "a.7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "unpack it"),
        "a.rar": (b"Rar!\x1a\x07\x01\0", "a RAR archive", "unpack it"),
        "a.pdf": (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF document", "no records"),
        "a.png": (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image", "no records"),
        "a.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image", "no records"),
        "a.gif": (b"GIF89a\x01\0\x01\0", "a GIF image", "no records"),
        "a.out": (b"\x7fELF\2\1\1\0", "a program (ELF)", "no records"),
        "a.db": (database(tmp_path), "an SQLite database", "--database sqlite:"),
        "a.data": (written(pa.parquet.write_table), "a Parquet file", "--format parquet"),
        "b.data": (written(pa.feather.write_feather), "an Arrow file", "--format arrow"),
        "c.data": (stream(), "an Arrow stream", "--format arrow"),
        "d.data": (written(pa.orc.write_table), "an ORC file", "--format orc"),
        "e.data": (b"Obj\x01\x04\x16avro.schema", "an Avro file", "convert it"),
        "a.rdb": (b"REDIS0011\xfa\x09redis-ver\x050.0.0\0", "a Redis RDB file", "dump.rdb"),
        "a.xz.csv": (compress("xz", b"a\n1\n"), "xz data", "ends with .xz"),
        "a.csv": (zipped("xl/workbook.xml"), "an Excel workbook", "save its table as CSV"),
    }
    for name, (content, kind, advice) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SourceError) as caught:
            choose_source([path], LoadOptions())
        message = str(caught.value)
        assert message.startswith(f"{path} looks like {kind}"), message
        assert advice in message
        assert ("--format lines loads its bytes as they are" in message) == (".csv" not in name)
        if ".csv" not in name:
            choose_source([path], LoadOptions(format="lines"))


def test_a_nul_byte_in_the_beginning_is_no_text_also_where_it_is_compressed(tmp_path: Path) -> None:
    for name, content in {
        "a": b"ab\n\0",
        **{f"a{SUFFIX[c]}": compress(c, b"ab\n\0") for c in CODECS},
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(
            SourceError, match=r"is not text: it has a NUL byte at byte 3\. Name its --format"
        ):
            choose_source([path], LoadOptions())
        choose_source([path], LoadOptions(format="lines"))


def test_text_of_two_bytes_a_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("ab".encode("utf-16"))
    with pytest.raises(SourceError, match=r"is UTF-16 text: convert it first \(iconv"):
        choose_source([path], LoadOptions())


def test_text_that_only_begins_like_something_else_is_text(tmp_path: Path) -> None:
    for index, text in enumerate(
        (
            b"",
            b"PAR1 is a magic\n",
            b"ORCHID\n",
            b"GIF8\n",
            b"BZh\n",
            b"\xff\xff\xff\xff\n",
            b"REDIS0\n",
            b"P",
        )
    ):
        path = tmp_path / f"{index}.txt"
        path.write_bytes(text)
        choose_source([path], LoadOptions())
