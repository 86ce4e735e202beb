"""The file of all differences: values in full, bytes that are not UTF-8 as base64, for its owner only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from etl.errors import SourceError
from etl.output.differences import DifferenceFile
from etl.report import Example


def test_each_difference_is_a_line_of_json_in_full(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("of an earlier verify")
    path.chmod(0o644)
    sink = DifferenceFile(str(path))
    sink.begin()
    sink.write([Example(3, b"k", b"v" * 1000, None), Example(None, b"\xff", "\u00e4".encode(), b"\n\xfe")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == [
        {"record": 3, "key": "k", "expected": "v" * 1000, "found": None},
        {"record": None, "key_base64": "/w==", "expected": "\u00e4", "found_base64": "Cv4="},
    ]


def test_a_file_that_cannot_be_written_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"--differences.*No such file"):
        DifferenceFile(str(tmp_path / "missing" / "d")).begin()
    with pytest.raises(SourceError, match=r"--differences.*No space left"):
        DifferenceFile("/dev/full").write([Example(1, b"k", b"v", None)])
