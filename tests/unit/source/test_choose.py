"""Choosing the source: by what was given, by the names of files, and what contradicts itself."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from etl.errors import SourceError, UsageError
from etl.options import FORMATS, LoadOptions
from etl.options.effects import OF_FORMATS
from etl.registry import Shelf
from etl.source.choose import choose_source, format_by_name
from etl.source.csv.format import Csv
from etl.source.json.array import JsonArray
from etl.source.json.lines import Jsonl
from etl.source.objects.records import RecordStream
from etl.source.table.files import TableFiles
from etl.source.table.stream import TableStream
from etl.source.text.files import TextFiles
from etl.source.text.lines import Lines
from etl.source.text.stream import TextStream
from tests.cases import cases

ERROR_POLICIES = pa.table({"a": [1, 2]})


@cases(
    ("names", "format"),
    [
        ([], "lines"),
        (["a.txt"], "lines"),
        (["a"], "lines"),
        (["-"], "lines"),
        (["a.csv"], "csv"),
        (["a.CSV"], "csv"),
        (["dir.csv/a"], "lines"),
        (["a.csv.gz"], "csv"),
        (["a.CSV.GZ"], "csv"),
        (["a.gz"], "lines"),
        (["a.csv.bak"], "lines"),
        ([".csv"], "lines"),  # a hidden file without a suffix
        (["a.csv", "b.csv.zst"], "csv"),
        (["a.txt", "-"], "lines"),
        (["*.csv"], "csv"),
        (["data/**/*.jsonl"], "jsonl"),
        (["s3://bucket/a.parquet"], "parquet"),
        (["https://host/a.csv?signature=x.json"], "csv"),
        (["https://host/a.jsonl.gz"], "jsonl"),
        (["file:///tmp/a.tsv"], "tsv"),
        *(([f"a{suffix}"], format) for format, member in FORMATS.members() for suffix in member.SUFFIXES),
    ],
)
def test_the_name_of_a_file_tells_its_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], format: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in names:  # globs have to match something
        if "*" in name:
            (tmp_path / "data").mkdir(exist_ok=True)
            (tmp_path / "data" / f"x.{name.rpartition('.')[2]}").touch()
            (tmp_path / f"x.{name.rpartition('.')[2]}").touch()
    assert format_by_name(names) == format


def test_formats_share_no_suffix_and_name_options_that_not_every_format_has() -> None:
    members = dict(FORMATS.members())
    suffixes = [suffix for member in members.values() for suffix in member.SUFFIXES]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)
    own = {option for member in members.values() for option in member.OPTIONS}
    assert own | {"format", "database"} == OF_FORMATS
    assert {field.name for field in dataclasses.fields(LoadOptions)} >= OF_FORMATS


@cases(
    ("name", "asked"),
    [("a.csv", ["csv"]), ("a.txt", ["lines"]), ("a", []), ("a.tab", ["lines", "arrow", "csv"])],
)
def test_the_format_that_is_called_like_the_suffix_is_asked_first(
    monkeypatch: pytest.MonkeyPatch, name: str, asked: list[str]
) -> None:
    found: list[str] = []
    member = Shelf.member

    def noting(shelf: Shelf, name: str) -> ModuleType:
        found.append(name)
        return member(shelf, name)

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "member", noting)
        format_by_name([name])
    assert found[: len(asked)] == asked
    assert asked or not found


def test_names_that_tell_different_formats_are_a_contradiction() -> None:
    with pytest.raises(UsageError) as caught:
        format_by_name(["a.csv", "b.csv", "c.jsonl.gz"])
    assert str(caught.value) == (
        "a.csv is csv by its name and c.jsonl.gz is jsonl: say --format, or load one by one"
    )
    with pytest.raises(UsageError, match=r"b\.txt is lines"):
        format_by_name(["a.csv", "b.txt"])


@pytest.mark.parametrize("how", ["{}", "{}/*", "{}/part-*", "file://{}"])
def test_of_a_folder_and_of_a_glob_the_files_tell(tmp_path: Path, how: str) -> None:
    for name in ("part-1.csv", "part-2.csv.gz"):
        (tmp_path / name).touch()
    assert format_by_name([how.format(tmp_path)]) == "csv"
    (tmp_path / "part-3.parquet").touch()
    with pytest.raises(UsageError, match=r"part-1\.csv is csv by its name and .*part-3\.parquet is parquet"):
        format_by_name([how.format(tmp_path)])


def test_a_folder_without_files_and_a_glob_that_matches_none_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no files"):
        format_by_name([str(tmp_path)])
    with pytest.raises(SourceError, match="no file matches"):
        format_by_name([f"{tmp_path}/*.csv"])


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a[1].jsonl"
    path.write_bytes(b"{}\n")
    assert format_by_name([str(path)]) == "jsonl"


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.arrow.zst", "https://host/a.feather.bz2"])
def test_a_compressed_table_is_to_be_unpacked_first(name: str) -> None:
    with pytest.raises(UsageError, match="files are compressed inside; unpack it first"):
        choose_source([name], LoadOptions())


def chosen(folder: Path, name: str, content: bytes, **options: Any) -> Any:
    path = folder / name
    path.write_bytes(content)
    return choose_source([path], LoadOptions(**options))


@cases(
    ("name", "options", "format"),
    [
        ("a.txt", {}, Lines()),
        ("a.txt", {"strip": True}, Lines(strip=True)),
        ("a.csv", {"format": "lines"}, Lines()),
        ("a.csv", {}, Csv(",", '"', ("x", "y"))),
        ("a.tsv", {}, Csv("\t", '"', ("x,y",))),
        ("a.tsv", {"delimiter": ","}, Csv(",", '"', ("x", "y"))),
        ("a.txt", {"format": "csv"}, Csv(",", '"', ("x", "y"))),
        ("a.csv", {"delimiter": "|", "quote": ""}, Csv("|", "", ("x,y",))),
        ("a.csv", {"fields": "p,q"}, Csv(",", '"', ("p", "q"))),
        ("a.csv", {"no_header": True}, Csv(",", '"', ("1", "2"), header=False)),
        ("a.jsonl", {}, Jsonl()),
        ("a.csv", {"format": "jsonl"}, Jsonl()),
    ],
)
def test_a_local_file_of_text_is_cut_into_ranges(
    tmp_path: Path, name: str, options: dict[str, Any], format: Any
) -> None:
    source = chosen(tmp_path, name, b"x,y\n1,2\n", **options)
    assert isinstance(source, TextFiles)
    assert source.formats == (format,)


def test_a_json_array_is_a_text_file_too(tmp_path: Path) -> None:
    source = chosen(tmp_path, "a.json", b"[{}]")
    assert isinstance(source, TextFiles)
    assert isinstance(source.formats[0], JsonArray)


def test_a_compressed_file_of_text_is_a_stream(tmp_path: Path) -> None:
    source = chosen(tmp_path, "a.csv.gz", gzip.compress(b"x,y\n1,2\n"))
    assert isinstance(source, TextStream)
    assert source.formats == (Csv(",", '"', ("x", "y")),)
    assert source.inputs[0].name == f"{tmp_path}/a.csv.gz"


def test_plain_and_compressed_files_together_are_a_stream(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x\n1\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"x\n2\n"))
    assert isinstance(choose_source([tmp_path], LoadOptions()), TextStream)


def test_parquet_and_arrow_files_are_tables(tmp_path: Path) -> None:
    pa.parquet.write_table(ERROR_POLICIES, tmp_path / "a.parquet")
    pa.feather.write_feather(ERROR_POLICIES, tmp_path / "a.feather")
    for name in ("a.parquet", "a.feather"):
        source = choose_source([str(tmp_path / name)], LoadOptions())
        assert isinstance(source, TableFiles)
        assert source.fields == ("a",)
    with (
        pa.OSFile(str(tmp_path / "a.arrows"), "w") as file,
        pa.ipc.new_stream(file, ERROR_POLICIES.schema) as stream,
    ):
        stream.write_table(ERROR_POLICIES)
    assert isinstance(choose_source([tmp_path / "a.arrows"], LoadOptions()), TableStream)


def test_a_python_object_is_a_source_by_itself() -> None:
    assert isinstance(choose_source([ERROR_POLICIES], LoadOptions()), TableStream)
    assert isinstance(choose_source([[{"a": 1}]], LoadOptions()), RecordStream)
    with pytest.raises(UsageError, match="a Table among several sources"):
        choose_source([ERROR_POLICIES, "a.csv"], LoadOptions())
    with pytest.raises(UsageError, match="a list among several sources"):
        choose_source(["a.csv", [{}]], LoadOptions())
    with pytest.raises(UsageError, match="cannot load a int"):
        choose_source([3], LoadOptions())


def test_a_query_is_a_source_of_its_own() -> None:
    source = choose_source([], LoadOptions(sql="SELECT 1 AS one"))
    assert isinstance(source, TableStream)
    assert source.fields == ("one",)


def test_bytes_from_a_path_object_are_a_path(tmp_path: Path) -> None:
    class Path8:
        def __fspath__(self) -> bytes:
            return bytes(tmp_path) + b"/a\xff.csv"

    (tmp_path / "a\udcff.csv").write_bytes(b"x\n1\n")
    source = choose_source([Path8()], LoadOptions())
    assert isinstance(source, TextFiles)
    assert source.fields == ("x",)


def of_object(**options: Any) -> None:
    choose_source([ERROR_POLICIES], LoadOptions(**options))


def of_query(**options: Any) -> None:
    choose_source([], LoadOptions(sql="SELECT 1", **options))


def of_format(format: str) -> Callable[..., None]:
    def choose_it(**options: Any) -> None:
        choose_source(["nowhere"], LoadOptions(format=format, **options))

    return choose_it


OF_CSV = [{"fields": "a,b"}, {"no_header": True}, {"delimiter": "|"}]
STRIP = {"strip": True}


@cases(
    ("choose_it", "options"),
    [
        *((of_format("lines"), options) for options in OF_CSV),
        *((of_format(name), STRIP) for name in ("csv", "tsv")),
        *(
            (of_format(name), options)
            for name in ("jsonl", "json", "parquet")
            for options in [*OF_CSV, STRIP]
        ),
        *((make, options) for make in (of_object, of_query) for options in [*OF_CSV, STRIP]),
        *((make, {"format": "csv"}) for make in (of_object, of_query)),
        (of_object, {"database": "sqlite:x"}),
        (of_format("csv"), {"database": "sqlite:x"}),
        (of_format("csv"), {"sql": "SELECT 1"}),
        (of_format("csv"), {"delimiter": '"'}),
        (of_format("csv"), {"fields": "a,a"}),
    ],
)
def test_an_option_that_says_nothing_here_is_refused_by_its_name(
    choose_it: Callable[..., None], options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(options)).replace('_', '-')}"):
        choose_it(**options)


def test_no_source_at_all_is_a_usage_error_that_names_what_could_be_given() -> None:
    with pytest.raises(UsageError, match="no source is given: name a file, a glob or a folder, or - for"):
        choose_source([], LoadOptions())


def test_tables_here_and_elsewhere_are_not_loaded_together() -> None:
    with pytest.raises(UsageError, match="one after the other, not together"):
        choose_source(["a.parquet", "s3://bucket/b.parquet"], LoadOptions())


def test_a_format_of_the_wrong_name_is_tried_as_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"no table")
    with pytest.raises(SourceError, match=r"a\.csv"):
        choose_source([tmp_path / "a.csv"], LoadOptions(format="parquet"))
