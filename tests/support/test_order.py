from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tests.support import REPO
from tests.support.order import SECONDS, in_shares

LONG = [f"tests/server/test_cluster_{name}.py" for name in "abcd"]
UNIT = ["tests/unit/test_a.py"] * 51 + ["tests/unit/test_b.py"] * 33


def test_each_process_begins_with_long_tests_and_ends_with_short_ones() -> None:
    files = [*UNIT, *(file for file in LONG for _ in range(4)), *["tests/fault/test_lock.py"] * 20]
    order = in_shares(files, 4)
    assert sorted(order) == list(range(len(files)))
    assert in_shares(files, 4) == order
    quarter = len(files) // 4
    for start in range(0, len(files), quarter):
        share = [files[at] for at in order[start : start + quarter]]
        assert len(share) == quarter
        assert share[0] in LONG
        assert share[-1] in UNIT
    long = [files[at] for at in order if files[at] not in UNIT]
    assert len(list(groupby(long))) == len(set(long)), "a file with a server stays within a share"


def test_any_number_of_tests_and_processes_loses_none() -> None:
    for count in range(12):
        for shares in range(1, 6):
            files = [(LONG + UNIT)[at * 7 % 88] for at in range(count)]
            assert sorted(in_shares(files, shares)) == list(range(count))


def test_every_row_is_about_files_that_are_there() -> None:
    files = [path.relative_to(REPO).as_posix() for path in Path(REPO, "tests").rglob("test_*.py")]
    for start in SECONDS:
        assert any(file.startswith(start) for file in files), start
