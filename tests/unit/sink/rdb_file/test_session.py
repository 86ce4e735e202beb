"""A worker's way into a file, and the file that becomes of what several have written."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from etl.encode.rdb.length import rdb_string
from etl.encode.resp.slots import SLOTS, slot_of, slots_of
from etl.errors import TargetError
from etl.plan import JOURNAL, Wire, journal_entries
from etl.sink.rdb_file.assemble import FileHead, assemble, damaged
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import Range, parse_range
from etl.sink.rdb_file.session import FileSession, ShardedSession
from tests.support.rdb_strings import read_strings

HEAD = FileHead(10, {b"who": b"test"})


@pytest.fixture(params=["dump.rdb", "dump.rdb.gz"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> Paths:
    """A file that is begun, as it is or compressed."""
    return begun(tmp_path / request.param)


def begun(*files: Path) -> Paths:
    paths = Paths(tuple(map(str, files)))
    for file, partial in zip(paths.files, paths.partials, strict=True):
        Path(partial).write_bytes(bytes(HEAD.room(file)))
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
    session = FileSession(paths, expire=False)
    wire = entries(b"a", b"b")
    (response,) = session.submit(wire, "token")
    assert (response.token, response.wire, response.replies) == ("token", wire, None)
    assert list(session.drain()) == []
    assert noted(paths) == []
    list(session.submit(checkpoint(b"1"), "token"))
    (found,) = noted(paths)
    assert (found.plain_bytes, found.keys) == (wire.nbytes, 2)
    session.close()
    session.close()


def test_what_several_write_becomes_a_file_with_padding_where_one_was_killed(paths: Paths) -> None:
    sessions = [FileSession(paths, expire=False) for _ in range(3)]
    for number, session in enumerate(sessions):
        for turn in range(5):
            list(session.submit(entries(*(b"%d-%d-%d" % (number, turn, n) for n in range(100))), None))
            if (number, turn) != (1, 4):  # it is killed before it can note this
                list(session.submit(checkpoint(b"%d" % turn), None))
    for session in sessions:
        session.close()
    ranges = noted(paths)
    assert not damaged(paths, ranges)
    assemble(paths, ranges, HEAD)
    found = read_strings(Path(paths.files[0]))
    lost = {b"1-4-%d" % n for n in range(100)}
    whole = {b"%d-%d-%d" % (number, turn, n) for number in range(3) for turn in range(5) for n in range(100)}
    assert found.values == {key: key * 3 for key in whole - lost}
    assert found.aux.items() >= HEAD.aux.items()
    assert os.listdir(os.path.dirname(paths.files[0])) == [os.path.basename(paths.files[0])]


def test_a_file_without_any_key_is_one(paths: Paths) -> None:
    assemble(paths, [], FileHead(9, {}))
    assert read_strings(Path(paths.files[0])).version == 9


def test_a_wire_of_more_buffers_than_one_call_takes_is_written_whole(paths: Paths) -> None:
    session = FileSession(paths, expire=False)
    keys = [b"%d" % n for n in range(1_000)]
    list(session.submit(entries(*keys), None))
    list(session.submit(checkpoint(b"1"), None))
    session.close()
    assemble(paths, noted(paths), HEAD)
    assert set(read_strings(Path(paths.files[0])).values) == set(keys)


def test_a_byte_that_has_changed_is_noticed(paths: Paths) -> None:
    session = FileSession(paths, expire=False)
    list(session.submit(entries(b"key"), None))
    list(session.submit(checkpoint(b"1"), None))
    session.close()
    with open(paths.partials[0], "r+b") as partial:
        partial.seek(-5, os.SEEK_END)
        partial.write(b"!")
    assert damaged(paths, noted(paths))


def test_a_folder_that_has_gone_is_told_with_its_name(paths: Paths) -> None:
    os.unlink(paths.partials[0])
    with pytest.raises(TargetError, match="partial: No such file"):
        FileSession(paths, expire=False)


def test_each_shard_has_the_keys_of_its_slots(tmp_path: Path) -> None:
    paths = begun(tmp_path / "0.rdb", tmp_path / "1.rdb.gz")
    session = ShardedSession(paths, pa.array([slot % 2 for slot in range(SLOTS)], pa.uint16()), expire=False)
    keys = [b"key-%d" % number for number in range(500)]
    for name, places in session.parts(slots_of(pa.array(keys, pa.binary()))):
        list(session.submit(entries(*(keys[place] for place in places.to_pylist())), None, name))
    list(session.submit(checkpoint(b"1"), None, ""))
    session.close()
    assemble(paths, noted(paths), HEAD)
    found = [read_strings(Path(file)).values for file in paths.files]
    assert [set(values) for values in found] == [
        {key for key in keys if slot_of(key) % 2 == shard} for shard in (0, 1)
    ]
    assert session.owner(7) == "1.rdb.gz"
    assert session.slots()["0.rdb"][:2] == [(0, 0), (2, 2)]
