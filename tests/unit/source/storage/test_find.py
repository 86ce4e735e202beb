"""From SOURCE arguments to a source: ranges of plain local files, or one stream of everything."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import SourceError, UsageError
from etl.plan import Projection
from etl.source.storage.find import find_inputs
from etl.source.text.files import TextFiles
from etl.source.text.find import find_text
from etl.source.text.lines import Lines
from etl.source.text.stream import TextStream
from tests.cases import cases


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.txt").write_bytes(b"a1\na2\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"b1\nb2\n"))
    (tmp_path / "c.txt").write_bytes(b"c1\n")
    (tmp_path / "d e%41.txt").write_bytes(b"d1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    receiver, sender = os.pipe()
    os.write(sender, b"s1\ns2\n")
    os.close(sender)
    with os.fdopen(receiver) as file:
        monkeypatch.setattr("sys.stdin", file)
        yield


def lines(source: TextFiles | TextStream) -> list[bytes]:
    reader = source.open(Projection(names=frozenset({"line"}), line=True))
    return [
        line.as_py()
        for block in source.blocks(4)
        for batch in reader.read(block)
        for line in batch.line or ()
    ]


@pytest.mark.usefixtures("folder", "stdin")
@pytest.mark.parametrize(
    ("sources", "kind", "expected"),
    [
        (["a.txt"], TextFiles, [b"a1", b"a2"]),
        (["c.txt", "a.txt"], TextFiles, [b"c1", b"a1", b"a2"]),
        (["*.txt"], TextFiles, [b"a1", b"a2", b"c1", b"d1"]),
        (["b.txt.gz"], TextStream, [b"b1", b"b2"]),
        (["."], TextStream, [b"a1", b"a2", b"b1", b"b2", b"c1", b"d1"]),
        (["c.txt", "b.txt.gz", "a.txt"], TextStream, [b"c1", b"b1", b"b2", b"a1", b"a2"]),
        (["-"], TextStream, [b"s1", b"s2"]),
        (["c.txt", "-", "a.txt"], TextStream, [b"c1", b"s1", b"s2", b"a1", b"a2"]),
    ],
)
def test_sources_are_read_in_the_order_given(
    sources: list[str], kind: type[object], expected: list[bytes]
) -> None:
    source = find_text(sources, Lines())
    assert isinstance(source, kind)
    assert lines(source) == expected


def test_a_file_uri_is_a_local_path(folder: Path) -> None:
    for uri in (f"file://{folder}/d%20e%2541.txt", f"FILE://localhost{folder}/d%20e%2541.txt"):
        source = find_text([uri], Lines())
        assert isinstance(source, TextFiles)
        assert lines(source) == [b"d1"]


@pytest.mark.usefixtures("folder", "stdin")
@cases(
    ("sources", "error", "message"),
    [
        ([], UsageError, "no source is given"),
        (["-", "a.txt", "-"], UsageError, r"standard input \(-\) is given twice"),
        (
            ["b.txt.gz", "a.txt", "./b.txt.gz"],
            UsageError,
            r"\./b\.txt\.gz is given twice \(also as b\.txt\.gz\)",
        ),
        (["a.txt", "."], UsageError, r"a\.txt is given twice"),
        (["missing.gz"], SourceError, r"cannot read missing\.gz: No such file"),
        (["*.zst"], SourceError, r"no file matches \*\.zst"),
        (["file://elsewhere/x"], UsageError, "names another machine"),
    ],
)
def test_what_cannot_be_found_is_said(sources: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        find_text(sources, Lines())


def test_compressed_files_are_told_by_their_names(folder: Path) -> None:
    inputs = find_inputs([str(folder)])
    assert [(input.name, getattr(input, "codec", "")) for input in inputs] == [
        (str(folder / "a.txt"), None),
        (str(folder / "b.txt.gz"), "gzip"),
        (str(folder / "c.txt"), None),
        (str(folder / "d e%41.txt"), None),
    ]


def test_an_input_is_known_again_in_another_run(folder: Path, stdin: None) -> None:
    (folder / "link.gz").symlink_to(folder / "b.txt.gz")
    source = find_text(["link.gz", "-"], Lines())
    assert source.names == (os.path.realpath(folder / "b.txt.gz"), "-")
