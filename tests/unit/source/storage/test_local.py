"""Files: found, put in a stable order, refused where they cannot be read, watched while they are."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import EtlError, SourceError, UsageError
from etl.source.storage.local import File, OpenFile, find_files, restat
from tests.cases import cases


def found(*sources: Path | str) -> list[str]:
    return [os.path.basename(file.path) for file in find_files([str(source) for source in sources])]


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_files_come_in_the_order_given(tmp_path: Path) -> None:
    make(tmp_path, "b", "a", "c")
    assert found(tmp_path / "b", tmp_path / "c", tmp_path / "a") == ["b", "c", "a"]


def test_a_folder_means_every_file_below_it_sorted_by_path(tmp_path: Path) -> None:
    names = ["10.txt", "9.txt", "a/z.txt", "a.txt", "a/b/c.txt", "ä.txt", "Z.txt", "with space.txt"]
    make(tmp_path, *random.Random(3).sample(names, len(names)))
    expected = sorted(str(tmp_path / name) for name in names)
    assert [file.path for file in find_files([str(tmp_path)])] == expected
    assert find_files([str(tmp_path)]) == find_files([str(tmp_path)])


def test_hidden_files_and_folders_below_a_folder_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "seen", ".hidden", "_SUCCESS", ".git/config", "_tmp/part", "deep/.hidden", "deep/seen-too")
    assert found(tmp_path) == ["seen-too", "seen"]


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    make(tmp_path, ".hidden")
    assert found(tmp_path / ".hidden") == [".hidden"]


def test_a_glob_means_the_files_that_match_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b.txt", "a.txt", "c.csv", "folder.txt/inside")
    assert found(tmp_path / "*.txt") == ["a.txt", "b.txt"]
    assert found(tmp_path / "[ac].*") == ["a.txt", "c.csv"]
    assert found(tmp_path / "**" / "*") == ["a.txt", "b.txt", "c.csv", "inside"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "data[1].txt", "data1.txt")
    assert found(tmp_path / "data[1].txt") == ["data[1].txt"]


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    make(tmp_path, "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(tmp_path / "link") == ["link"]


def test_a_linked_folder_below_a_folder_is_read_and_not_dropped(tmp_path: Path) -> None:
    make(tmp_path, "given/a", "elsewhere/b")
    (tmp_path / "given" / "link").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "given") == ["a", "b"]


@pytest.mark.parametrize("target", [".", "..", "../given", "other"])
def test_a_link_to_a_folder_that_is_read_anyway_is_refused(tmp_path: Path, target: str) -> None:
    make(tmp_path, "given/a", "given/other/b")
    (tmp_path / "given" / "link").symlink_to(target)
    with pytest.raises(UsageError, match="is reached twice, through a link"):
        find_files([str(tmp_path / "given")])


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert find_files([str(tmp_path / "empty")])[0].size == 0


def test_a_name_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff.txt")
    with open(path, "wb"):
        pass
    assert find_files([os.fsdecode(path)])[0].path == os.fsdecode(path)


def same(folder: Path) -> list[str]:
    return [str(folder / "a"), str(folder / "a")]


def by_symlink(folder: Path) -> list[str]:
    (folder / "link").symlink_to(folder / "a")
    return [str(folder / "a"), str(folder / "link")]


def by_hard_link(folder: Path) -> list[str]:
    os.link(folder / "a", folder / "link")
    return [str(folder)]


def by_folder_and_name(folder: Path) -> list[str]:
    return [str(folder), str(folder / "a")]


def by_glob_and_name(folder: Path) -> list[str]:
    return [str(folder / "a"), str(folder / "*")]


def by_another_spelling(folder: Path) -> list[str]:
    return [str(folder / "a"), str(folder / ".." / folder.name / "a")]


@cases(
    "name_twice", [same, by_symlink, by_hard_link, by_folder_and_name, by_glob_and_name, by_another_spelling]
)
def test_a_file_named_twice_is_refused_whatever_its_names(
    tmp_path: Path, name_twice: Callable[[Path], list[str]]
) -> None:
    make(tmp_path, "a")
    with pytest.raises(UsageError, match=r"a is given twice|link is given twice") as caught:
        find_files(name_twice(tmp_path))
    assert "loaded twice" in str(caught.value)


def test_two_files_with_the_same_content_are_two_files(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("same")
    assert found(tmp_path) == ["a", "b"]


@cases(
    ("source", "kind", "says"),
    [
        ("nothing", SourceError, "cannot read .*nothing: No such file"),
        ("*.nothing", SourceError, "no file matches"),
        ("empty", SourceError, "folder .*empty holds no files"),
        ("hidden", SourceError, "holds no files .hidden ones are left out"),
        ("file/below", SourceError, "Not a directory"),
        ("fifo", SourceError, "fifo is a pipe, not a regular file"),
        ("broken", SourceError, "cannot read .*broken: No such file"),
        ("brok*", SourceError, "cannot read .*broken: No such file"),
        ("with-fifo", SourceError, "is a pipe"),
        ("a\0b", SourceError, "is not a path"),
        ("\ud800", SourceError, "is not a path"),
        ("x" * 5000, SourceError, "File name too long"),
    ],
)
def test_what_cannot_be_read_is_a_source_error_that_names_it(
    tmp_path: Path, source: str, kind: type[EtlError], says: str
) -> None:
    make(tmp_path, "file", "hidden/.a", "hidden/_b", "with-fifo/a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "with-fifo" / "b")
    with pytest.raises(kind, match=says):
        find_files([os.path.join(str(tmp_path), source)])


def test_a_device_is_refused() -> None:
    with pytest.raises(SourceError, match="/dev/null is a device, not a regular file"):
        find_files(["/dev/null"])


def test_a_file_that_hides_its_size_is_refused_and_not_taken_for_empty() -> None:
    with pytest.raises(SourceError, match="/proc/version has content but no size"):
        find_files(["/proc/version"])


def test_standard_input_is_refused_and_the_way_out_named() -> None:
    with pytest.raises(UsageError, match=r"standard input \(-\) cannot be read in this format: give a file"):
        find_files(["-"])


def test_no_source_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no source is given"):
        find_files([])


def test_a_file_pickles(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (file,) = find_files([str(tmp_path / "a")])
    assert pickle.loads(pickle.dumps(file)) == file  # noqa: S301 - our own


# While it is read


@pytest.fixture
def file(tmp_path: Path) -> File:
    (tmp_path / "data").write_bytes(b"0123456789")
    return find_files([str(tmp_path / "data")])[0]


def shrink(path: str) -> None:
    os.truncate(path, 4)


def grow(path: str) -> None:
    with open(path, "ab") as out:
        out.write(b"more")


def rewrite(path: str) -> None:
    before = os.stat(path)
    with open(path, "r+b") as out:
        out.write(b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def replace(path: str) -> None:
    before = os.stat(path)
    with open(path + ".new", "wb") as out:
        out.write(b"0123456789")
    os.utime(path + ".new", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(path + ".new", path)


def remove(path: str) -> None:
    os.unlink(path)


CHANGES = [
    (shrink, "shrank from 10 to 4 bytes"),
    (grow, "grew from 10 to 14 bytes"),
    (rewrite, "was written"),
]


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (3, 7), (9, 10), (4, 4)])
def test_a_read_gives_the_bytes_asked_for(file: File, start: int, stop: int) -> None:
    opened = OpenFile(file)
    try:
        assert opened.read(start, stop) == b"0123456789"[start:stop]
    finally:
        opened.close()


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_change_while_the_file_is_open_is_noticed_by_the_next_read(
    file: File, change: Callable[[str], None], says: str
) -> None:
    opened = OpenFile(file)
    try:
        change(file.path)
        with pytest.raises(SourceError, match=rf"data {says}.* while it was read \(noticed at byte"):
            opened.read(2, 10)
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [*CHANGES, (replace, "was replaced by another file"), (remove, "cannot read .*data: No such file")],
)
def test_a_change_before_the_file_is_opened_is_noticed_and_nothing_stays_open(
    file: File, change: Callable[[str], None], says: str
) -> None:
    change(file.path)
    descriptors = set(os.listdir("/proc/self/fd"))
    with pytest.raises(SourceError, match=says):
        OpenFile(file)
    assert set(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize(
    ("change", "says"),
    [*CHANGES, (replace, "was replaced by another file"), (remove, "went away while it was read")],
)
def test_a_change_is_noticed_at_the_end(file: File, change: Callable[[str], None], says: str) -> None:
    restat(file)
    change(file.path)
    with pytest.raises(SourceError, match=says):
        restat(file)


def test_a_file_may_be_closed_twice(file: File) -> None:
    opened = OpenFile(file)
    opened.close()
    opened.close()
