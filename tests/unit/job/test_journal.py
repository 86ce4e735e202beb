"""The journal beside files that are built: what is noted is read, whatever was left before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import TargetError
from etl.job.journal import begin_journal, note, read_journal
from etl.plan import journal_entry
from etl.sink.rdb_file.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths((str(tmp_path / "dump.rdb"),))


@pytest.mark.parametrize("left", [b"", b"\0", b"\0" * 4096, journal_entry([(b"b", b"2" * 99)])[:-1]])
def test_what_is_noted_after_an_entry_that_was_cut_off_is_read(paths: Paths, left: bytes) -> None:
    begin_journal(paths, [3], [(b"a", b"1")])
    with open(paths.journal, "ab") as journal:
        journal.write(left)
    note(paths, [(b"c", b"3")])
    assert read_journal(paths).fields == {b"a": b"1", b"c": b"3"}


def test_another_file_in_its_place_is_refused_and_replaced_at_a_new_beginning(paths: Paths) -> None:
    Path(paths.journal).write_bytes(b"")
    with pytest.raises(TargetError, match=r"no journal of a build: .*; give --restart"):
        read_journal(paths)
    begin_journal(paths, [3], [(b"a", b"1")])
    assert read_journal(paths).fields == {b"a": b"1"}
