"""Batches in files, read back range by range."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import TargetError
from etl.plan import Response, Wire
from etl.sink.spill import SpillTarget
from etl.sink.spilled_runs import Range, ranges
from tests.unit.memory import Told

SCHEMA = pa.schema([("hash", pa.uint64()), ("number", pa.int64()), ("key", pa.binary())])
HASHES = st.one_of(
    st.integers(0, (1 << 64) - 1), st.sampled_from([0, 1, 1 << 52, (1 << 52) - 1, (1 << 64) - 1])
)


def wire_of(hashes: Sequence[int], first: int) -> Wire:
    numbers = range(first, first + len(hashes))
    keys = [b"k" * (number % 5) for number in numbers]
    columns = [pa.array(hashes, pa.uint64()), pa.array(numbers, pa.int64()), pa.array(keys, pa.binary())]
    data = memoryview(pa.RecordBatch.from_arrays(columns, schema=SCHEMA).serialize())
    return Wire((data,), range(len(hashes) + 1), None, len(data))


def spilled(target: SpillTarget, batches: Sequence[Sequence[int]], workers: int = 2) -> list[tuple[int, int]]:
    """Write batches by some sessions in turn; return their rows."""
    sessions = [target.connect_reconnecting(f"worker-{number}", Told()) for number in range(workers)]
    rows: list[tuple[int, int]] = []
    for number, hashes in enumerate(batches):
        wire = wire_of(hashes, len(rows))
        assert list(sessions[number % workers].submit(wire, number)) == [Response(number, wire, None)]
        rows += zip(hashes, range(len(rows), len(rows) + len(hashes)), strict=True)
    for session in sessions:
        assert list(session.drain()) == []
        session.renew()
        session.close()
        session.close()
    return rows


def found(target: SpillTarget, wanted: Range) -> list[tuple[int, int]]:
    rows = [row for rows in target.runs().within(wanted) for row in rows.to_pylist()]
    assert all(row["key"] == b"k" * (row["number"] % 5) for row in rows)
    return [(row["hash"], row["number"]) for row in rows]


@given(
    st.lists(st.lists(HASHES, max_size=20), max_size=10),
    st.sampled_from([1, 300, 1 << 20]),
    st.integers(1, 9000),
)
def test_all_rows_come_back_each_in_its_range(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], run_bytes: int, count: int
) -> None:
    target = SpillTarget(str(tmp_path_factory.mktemp("spilled")), "hashes", SCHEMA, run_bytes)
    rows = spilled(target, batches)
    assert target.runs().rows == len(rows)
    cut = ranges(count)
    assert (cut[0].start, cut[-1].stop) == (0, 1 << 64)
    length = cut[0].stop
    for number in {hash_ // length for hash_, _ in rows} | {0, len(cut) - 1}:
        one = cut[number]
        assert (one.start, one.stop) == (number * length, (number + 1) * length)
        assert sorted(found(target, one)) == sorted(row for row in rows if one.start <= row[0] < one.stop)


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    hashes, keys = (SpillTarget(str(tmp_path), prefix, SCHEMA, 1) for prefix in ("hashes", "keys"))
    assert spilled(hashes, [[1], [2]]) == sorted(found(hashes, Range(0, 1 << 64)))
    assert found(keys, Range(0, 1 << 64)) == []
    assert spilled(hashes, [[5]]) == found(hashes, Range(0, 1 << 64))  # what was there is replaced


def test_a_target_that_is_no_server(tmp_path: Path) -> None:
    target = SpillTarget(str(tmp_path), "x", SCHEMA, 1)
    assert str(target) == target.name == str(tmp_path)
    assert target.primaries() == (target,)
    assert target.holding(b"key") is target.identify("name", Told()) is target.bounded(1, 1) is target
    target.connect_routed("name", Told())  # there is nothing to route
    assert list(target.first_slots()) == [None]
    with pytest.raises(TypeError, match="is no server"):
        target.connect("name")


def test_a_folder_that_is_gone_is_an_error_that_says_so(tmp_path: Path) -> None:
    target = SpillTarget(str(tmp_path / "gone"), "x", SCHEMA, 1)
    for step in (lambda: target.connect_reconnecting("w", Told()), target.runs):
        with pytest.raises(TargetError, match=r"gone.*: No such file or directory"):
            step()


class Full:
    def write(self, data: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")


def test_a_full_disk_is_an_error_that_says_what_to_make_room_for(tmp_path: Path) -> None:
    session = SpillTarget(str(tmp_path), "x", SCHEMA, 1).connect_reconnecting("w", Told())
    session._file, file = Full(), session._file  # type: ignore[assignment]
    with pytest.raises(TargetError, match=f"{os.strerror(errno.ENOSPC)}: there has to be room for a hash"):
        session.submit(wire_of([1], 0), None)
    file.close()


def test_a_file_that_was_cut_is_an_error(tmp_path: Path) -> None:
    target = SpillTarget(str(tmp_path), "x", SCHEMA, 1)
    spilled(target, [[1, 2, 3]], workers=1)
    (path,) = tmp_path.iterdir()
    os.truncate(path, 30)
    with pytest.raises(TargetError, match="shorter than it was"):
        target.runs()


def test_a_session_whose_disk_is_full_is_closed_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "hashes-worker-0.spilled").symlink_to("/dev/full")
    session = SpillTarget(str(tmp_path), "hashes", SCHEMA, 1).connect_reconnecting("worker-0", Told())
    with pytest.raises(TargetError, match="there has to be room"):
        list(session.submit(wire_of([1, 2], 0), 0))
    session.close()
