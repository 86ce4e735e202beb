"""Unfinished files are one run's, and never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl.errors import LockedError, TargetError, UsageError
from etl.sink.rdb_file.held import held_alone
from etl.sink.rdb_file.paths import Paths
from tests.unit.memory import Told


def paths_in(folder: Path, *names: str) -> Paths:
    return Paths(tuple(str(folder / name) for name in names))


def test_none_of_several_files_is_built_by_two_runs(tmp_path: Path) -> None:
    several, one = paths_in(tmp_path / "new", "0.rdb", "1.rdb"), paths_in(tmp_path / "new", "1.rdb")
    with held_alone(several, 0o666, 0, Told()):
        with (
            pytest.raises(LockedError, match="built by another"),
            held_alone(one, 0o666, 0, Told()),
        ):
            pass
        assert sorted(os.listdir(tmp_path / "new")) == ["0.rdb.partial", "1.rdb.partial"]
    with held_alone(one, 0o666, 0, Told()):
        pass
    assert os.listdir(tmp_path / "new") == []


def test_what_no_build_has_left_is_refused_and_stays(tmp_path: Path) -> None:
    paths = paths_in(tmp_path, "0.rdb", "1.rdb")
    (tmp_path / "1.rdb.partial").write_bytes(b"a download")
    with pytest.raises(UsageError, match="would be lost"), held_alone(paths, 0o666, 0, Told()):
        pass
    assert os.listdir(tmp_path) == ["1.rdb.partial"]
    (tmp_path / "1.rdb.partial").write_bytes(bytes(100))  # killed before there was a journal
    with held_alone(paths, 0o666, 0, Told()):
        pass


def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "0.rdb.partial").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_bytes(bytes(100))
    with pytest.raises(TargetError), held_alone(paths_in(tmp_path, "0.rdb"), 0o666, 0, Told()):
        pass
