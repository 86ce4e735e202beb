"""A worker's way into a file, and the file that becomes of what several have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl.encode.rdb.length import rdb_string
from etl.errors import TargetError
from etl.plan import JOURNAL, Wire, journal_entries
from etl.sink.rdb_file.assemble import assemble, damaged, header_bytes
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import Range, parse_range
from etl.sink.rdb_file.session import FileSession
from tests.support.rdb_strings import read_strings

AUX = {b"who": b"test"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A file that is begun."""
    paths = Paths(str(tmp_path / "dump.rdb"))
    Path(paths.partial).write_bytes(bytes(header_bytes(10, AUX)))
    Path(paths.journal).write_bytes(JOURNAL)
    return paths


def entries(*keys: bytes) -> Wire:
    """A wire of strings, in as many buffers."""
    buffers = tuple(b"\0" + rdb_string(key) + rdb_string(key * 3) for key in keys)
    return Wire(buffers, range(len(keys) + 1), None, sum(map(len, buffers)))


def checkpoint(value: bytes) -> Wire:
    return Wire((b"mark", value), (0,), None, 4 + len(value))


def noted(paths: Paths) -> list[Range]:
    journal = journal_entries(Path(paths.journal).read_bytes())
    return [parse_range(value) for entry in journal for name, value in entry if name == b"range"]


def test_a_wire_is_answered_at_once_and_noted_with_the_next_checkpoint(paths: Paths) -> None:
    session = FileSession(paths)
    wire = entries(b"a", b"b")
    (response,) = session.submit(wire, "token")
    assert (response.token, response.wire, response.replies) == ("token", wire, None)
    assert list(session.drain()) == []
    assert noted(paths) == []
    list(session.submit(checkpoint(b"1"), "token"))
    (found,) = noted(paths)
    assert (found.nbytes, found.keys) == (wire.nbytes, 2)
    session.close()
    session.close()


def test_what_several_write_becomes_a_file_with_padding_where_one_was_killed(paths: Paths) -> None:
    sessions = [FileSession(paths) for _ in range(3)]
    for number, session in enumerate(sessions):
        for turn in range(5):
            list(session.submit(entries(*(b"%d-%d-%d" % (number, turn, n) for n in range(100))), None))
            if (number, turn) != (1, 4):  # it is killed before it can note this
                list(session.submit(checkpoint(b"%d" % turn), None))
    for session in sessions:
        session.close()
    ranges = noted(paths)
    assert not damaged(paths, ranges)
    assemble(paths, ranges, 10, AUX, expire=False)
    found = read_strings(Path(paths.file))
    lost = {b"1-4-%d" % n for n in range(100)}
    whole = {b"%d-%d-%d" % (number, turn, n) for number in range(3) for turn in range(5) for n in range(100)}
    assert found.values == {key: key * 3 for key in whole - lost}
    assert found.aux.items() >= AUX.items()
    assert sorted(os.listdir(os.path.dirname(paths.file))) == ["dump.rdb"]


def test_a_file_without_any_key_is_one(paths: Paths) -> None:
    assemble(paths, [], 9, AUX, expire=True)
    assert read_strings(Path(paths.file)).version == 9


def test_a_wire_of_more_buffers_than_one_call_takes_is_written_whole(paths: Paths) -> None:
    session = FileSession(paths)
    keys = [b"%d" % n for n in range(1_000)]
    list(session.submit(entries(*keys), None))
    list(session.submit(checkpoint(b"1"), None))
    session.close()
    assemble(paths, noted(paths), 10, AUX, expire=False)
    assert set(read_strings(Path(paths.file)).values) == set(keys)


def test_a_byte_that_has_changed_is_noticed(paths: Paths) -> None:
    session = FileSession(paths)
    list(session.submit(entries(b"key"), None))
    list(session.submit(checkpoint(b"1"), None))
    session.close()
    with open(paths.partial, "r+b") as partial:
        partial.seek(-1, os.SEEK_END)
        partial.write(b"!")
    assert damaged(paths, noted(paths))


def test_a_folder_that_has_gone_is_told_with_its_name(paths: Paths) -> None:
    os.unlink(paths.partial)
    with pytest.raises(TargetError, match=r"dump\.rdb\.partial: No such file"):
        FileSession(paths)
