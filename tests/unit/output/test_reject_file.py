"""The reject file: whole lines, appended, for its owner's eyes only, and the original bytes in each."""

from __future__ import annotations

import base64
import json
import os
import pickle
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.output.reject_file import RejectFile, reject_line
from etl.plan import Reject


def reject(raw: bytes = b"raw", **changes: Any) -> Reject:
    return Reject(**{"file": "a.csv", "record": 3, "offset": 17, "reason": "why", "raw": raw, **changes})


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_names_file_record_offset_reason_and_the_original() -> None:
    assert json.loads(reject_line(reject(b'a,"b\n'))) == {
        "file": "a.csv",
        "record": 3,
        "offset": 17,
        "reason": "why",
        "raw": 'a,"b\n',
    }
    assert json.loads(reject_line(reject(record=None, offset=None)))["record"] is None


@given(st.binary(max_size=40), st.text(max_size=20), st.text(max_size=20))
@example(b"\xff\xfe\0", "", "")
@example("ü\u2028\x85\r\n".encode(), "\udcff", "\ud800")
def test_a_reject_is_one_line_whatever_is_in_it_and_its_bytes_come_back(
    raw: bytes, file: str, reason: str
) -> None:
    line = reject_line(reject(raw, file=file, reason=reason))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    entry = json.loads(line.decode("utf-8"))
    back = entry["raw"].encode() if "raw" in entry else base64.b64decode(entry["raw_base64"])
    assert back == raw
    assert ("raw" in entry) != ("raw_base64" in entry)


def test_bytes_that_are_no_utf8_are_written_as_base64_and_others_as_they_are() -> None:
    assert json.loads(reject_line(reject(b"\xff")))["raw_base64"] == "/w=="
    assert "raw" not in json.loads(reject_line(reject(b"\xff")))
    assert "ü€😀".encode() in reject_line(reject("ü€😀".encode()))


def test_the_file_is_made_with_the_first_reject_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    sink = RejectFile(str(path))
    assert not path.exists()
    umask = os.umask(0)
    try:
        sink.write([reject()])
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rejects_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    sink = RejectFile(str(path))
    sink.write([reject(record=1), reject(record=2)])
    sink.write([reject(record=3)])
    assert [entry["record"] for entry in entries(path)] == [1, 2, 3]


def test_what_an_earlier_run_left_is_moved_aside_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rejects.jsonl"
    sink = RejectFile(str(path))
    assert sink.set_aside() is None
    path.touch()
    assert sink.set_aside() is None, "an empty file holds no corrections"
    (tmp_path / "rejects.jsonl.1").write_text("mine")
    sink.write([reject(record=1)])
    assert sink.set_aside() == f"{path}.2"
    assert not path.exists()

    def no_links(*_paths: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    sink.write([reject(record=2)])
    assert sink.set_aside() == f"{path}.3"
    assert (tmp_path / "rejects.jsonl.1").read_text() == "mine"
    kept = [entries(tmp_path / f"rejects.jsonl.{number}") for number in (2, 3)]
    assert [entry["record"] for (entry,) in kept] == [1, 2]


def test_only_a_regular_file_is_moved_aside(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert RejectFile(str(pipe)).set_aside() is None
    assert pipe.exists()
    with pytest.raises(SourceError, match="it is a folder"):
        RejectFile(str(tmp_path)).set_aside()
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="Not a directory"):
        RejectFile(str(tmp_path / "file" / "rejects")).set_aside()


def test_the_first_reject_of_the_file_is_told_where_it_can_be_read(tmp_path: Path) -> None:
    sink = RejectFile(str(tmp_path / "rejects.jsonl"))
    sink.write([reject(record=17, reason="why"), reject(record=1)])
    assert sink.first().line(1_234) == f"1,234 rejected: see {sink.path} (first: record 17 of a.csv: why)"
    assert RejectFile("/dev/null").first().line(1) == "1 rejected: see /dev/null"
    assert RejectFile("/dev/null").first().as_dict() == {"file": "/dev/null", "first": None}


def test_lines_of_several_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    begin = threading.Barrier(4)

    def write(worker: int) -> None:
        sink: RejectFile = pickle.loads(pickle.dumps(RejectFile(str(path))))  # noqa: S301 - our own
        begin.wait(10)
        for number in range(20):
            sink.write([reject(b"%d" % worker * 5000, file=str(worker), record=number)])

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = entries(path)
    for worker in range(4):
        own = [entry for entry in written if entry["file"] == str(worker)]
        assert [entry["record"] for entry in own] == list(range(20))
        assert {entry["raw"] for entry in own} == {str(worker) * 5000}
    assert len(written) == 80


def test_a_write_that_takes_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:7]))
    path = tmp_path / "rejects.jsonl"
    RejectFile(str(path)).write([reject(record=1), reject(record=2)])
    assert [entry["record"] for entry in entries(path)] == [1, 2]


def test_a_file_that_cannot_be_written_is_an_error_and_no_reject_is_dropped_in_silence(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing" / "rejects.jsonl"
    with pytest.raises(SourceError, match=rf"cannot write rejects to {path}: No such file"):
        RejectFile(str(path)).write([reject()])
    with pytest.raises(SourceError, match="cannot write rejects to /dev/full: No space left on device"):
        RejectFile("/dev/full").write([reject()])
    with pytest.raises(SourceError, match="Is a directory"):
        RejectFile(str(tmp_path)).write([reject()])
