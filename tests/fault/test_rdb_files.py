"""RDB files that are interrupted while they are built: the file appears whole, or not at all."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import tempfile
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM
from typing import Any

import pytest

from etl.cli.main import main
from tests.fault.commands import StartCommand, write_lines
from tests.fault.inline import Here, line, write_input
from tests.fault.test_random_kills import Killer
from tests.support import wait_until
from tests.support.rdb_strings import read_strings

FEW = 16
CALLS = ("ftruncate", "truncate", "pwritev", "pwrite", "write", "fsync", "replace", "unlink", "open")
"""What is done to files: before each of these a run is killed once."""


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.pipeline.plan.block_size", lambda nbytes, workers: 400)


def killed_at(moment: int, argv: list[str], folder: Path) -> bool:
    """Run a command in a forked process that is killed before the ``moment``-th thing that it does to files.

    Returns False if it ended before.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -SIGKILL
    left = moment

    def count_down(whole: Any) -> Any:
        def counted(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), SIGKILL)
            return whole(*args, **options)

        return counted

    try:
        for name in CALLS:
            setattr(os, name, count_down(getattr(os, name)))
        main(argv)
    finally:
        os._exit(0)


def damage_end(journal: Path) -> None:
    """Add what a worker that is killed while it writes leaves, or a machine that is switched off."""
    if journal.exists():
        with journal.open("ab") as opened:
            opened.write(b"\x30\0\0\0cut off")


@pytest.mark.timeout(120)
def test_a_build_that_is_killed_at_any_moment_is_complete_when_it_is_repeated(
    here: Here, tiny_blocks: None
) -> None:
    file = write_input(here.folder, FEW)
    target = here.folder / "dump.rdb"
    argv = ["load", str(file), "--to", f"rdb:{target}", "--ttl", "1d", "--key", "k:{#}"]
    quiet = ["--workers", "1", "--progress", "none", "--rejects", "/dev/null"]
    expected = {b"k:%d" % n: line(n) for n in range(FEW)}
    moment = resumed = 0
    killed = True
    while killed:
        target.unlink(missing_ok=True)
        killed = killed_at(moment, [*argv, *quiet], here.folder)
        if killed and target.exists():
            assert read_strings(target).values == expected
        if moment % 2:
            damage_end(Path(f"{target}.journal"))
        named = ("--job", moment * "j") if moment % 3 else ()  # the name may be another one by now
        ended = here.run(*argv, *named)
        assert ended.code == 0, (moment, ended)
        assert ended.records == {"read": FEW, "written": FEW, "skipped": 0, "rejected": 0}, (moment, ended)
        found = read_strings(target)
        assert found.values == expected
        assert len(set(found.expiries.values())) == 1
        resumed += ended.report["resumed_from"] is not None
        assert sorted(os.listdir(here.folder)) == ["dump.rdb", "input.txt"], moment
        moment += 1
    assert moment > 20
    assert resumed > 5


@pytest.mark.timeout(120)
def test_workers_that_are_killed_at_random_lose_and_double_nothing(here: Here, tiny_blocks: None) -> None:
    draw = random.Random(3)
    count, most = 1_000, 20
    file = write_input(here.folder, count)
    target = here.folder / "dump.rdb"
    kills = 0
    while kills < most:
        killer = Killer(draw, most - kills)
        killer.start()
        ended = here.run("load", file, "--to", f"rdb:{target}", "--workers", "2", "--max-rate", "8000")
        kills += killer.end()
        assert ended.code in (0, 137), ended
        if ended.code == 0:
            assert read_strings(target).values == {b"%d" % n: line(n) for n in range(count)}
            target.unlink()
    assert kills == most


@pytest.fixture
def slow_build(start: StartCommand, tmp_path: Path) -> Any:
    """A build by two workers that takes long enough to be interrupted: it has written something."""
    file = write_lines(tmp_path / "in.txt", 30_000_000)
    target = tmp_path / "dump.rdb"
    options = ("--to", f"rdb:{target}", "--workers", "2")
    command = start("load", file, *options, "--max-rate", "4000")
    journal = Path(f"{target}.journal")
    wait_until(lambda: journal.exists() and b"range" in journal.read_bytes(), what="a part of the file")
    return command, file, target, options


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_build_that_is_told_to_stop_goes_on_later(
    slow_build: Any, start: StartCommand, number: Any
) -> None:
    command, file, target, options = slow_build
    command.signal(number)
    ended = command.end()
    assert ended.code == 128 + number
    assert not target.exists()
    ended = start("load", file, *options).end()
    assert ended.code == 0, ended
    assert 0 < ended.report["resumed_from"] < 30_000
    assert len(read_strings(target).values) == 30_000


def test_after_the_whole_run_was_killed_the_same_command_waits_for_its_workers_and_goes_on(
    slow_build: Any, start: StartCommand
) -> None:
    command, file, target, options = slow_build
    command.signal(SIGKILL)
    ended = start("load", file, *options).end()
    assert ended.code == 0, ended
    assert len(read_strings(target).values) == 30_000


def test_a_file_is_built_by_one_run_at_a_time(slow_build: Any, here: Here) -> None:
    command, file, _, options = slow_build
    ended = here.run("load", file, *options)
    assert ended.code == 6
    assert "is being built by another run" in ended.sentence
    command.signal(SIGINT)
    assert command.end().code == 130


def test_what_has_changed_in_an_unfinished_file_is_noticed(slow_build: Any, here: Here) -> None:
    command, file, target, options = slow_build
    command.signal(SIGINT)
    command.end()
    with open(f"{target}.partial", "r+b") as partial:
        for place in range(1_000, 1_000_000, 1_000):
            partial.seek(place)
            partial.write(b"\xff\xff")
    ended = here.run("load", file, *options)
    assert ended.code == 4
    assert "does not hold what was written into it; give --restart" in ended.sentence
    assert here.run("load", file, *options, "--restart").code == 0
    assert len(read_strings(target).values) == 30_000


def test_a_full_disk_is_said_and_the_build_goes_on_when_there_is_room(
    start: StartCommand, here: Here, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "in.txt", 10_000_000)
    target = tmp_path / "dump.rdb"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, -1))"
    ended = start("load", file, "--to", f"rdb:{target}", "--workers", "2", patch=limited).end()
    assert ended.code == 4
    assert (
        "File too large for the limit of file sizes: raise it (ulimit -f), and the same command goes on"
        in ended.sentence
    )
    assert here.run("load", file, "--to", f"rdb:{target}").code == 0
    assert len(read_strings(target).values) == 10_000
    assert not multiprocessing.active_children()


def stopped_by_a_record(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Write a file whose last record is refused; return it, with a key that has to be looked at first."""
    file = folder / "in.csv"
    rows = "".join(f"{number % 40},{number}\n" for number in range(200))
    file.write_text(f"id,value\n{rows}one field\n")
    return file, ("--key", "k:{id}")


def test_an_embedded_load_that_was_stopped_goes_on_after_the_folder_was_looked_at(
    here: Here, tiny_blocks: None
) -> None:
    file, key = stopped_by_a_record(here.folder)
    to = ("--to", f"embedded:{here.folder / 'data'}")
    assert here.run("load", file, *key, *to).code == 5
    assert here.run("verify", file, *key, *to, "--max-rejects", "1").report["records"]["missing"] == 200
    ended = here.run("load", file, "--key", "other:{id}", *to, "--job", "another")
    assert ended.code == 3
    assert "begun by job in-" in ended.sentence
    assert (
        "was not finished, and its options that say what becomes of a record have changed" in ended.sentence
    )
    ended = here.run("load", file, *key, *to, "--max-rejects", "1", "--keep-record", "7d", "--retry-for", "3")
    assert (ended.code, ended.records["written"], ended.records["superseded"]) == (1, 40, 160), ended
    assert ended.report["resumed_from"] > 0
    assert sorted(os.listdir(here.folder / "data")) == ["dump.rdb", "etl.lock", "redis.log", "server.lock"]


def test_an_embedded_load_begins_anew_where_its_server_reads_another_version(
    here: Here, tiny_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = stopped_by_a_record(here.folder)
    options = ("--to", f"embedded:{here.folder / 'data'}", "--max-rejects", "1", *key)
    with monkeypatch.context() as patched:
        patched.setattr("etl.sink.embedded.binary.rdb_version_of", lambda binary: 9)
        assert here.run("load", file, *options[:2], *key).code == 5
    ended = here.run("load", file, *options)
    assert (ended.code, ended.report["resumed_from"], ended.records["written"]) == (1, None, 40)
    assert here.run("verify", file, *options).report["records"]["missing"] == 0


def test_a_record_with_the_key_of_the_job_is_in_the_dump_once(here: Here) -> None:
    file = here.folder / "in.txt"
    file.write_text("etl:{nightly}\nother\n")
    options = ("--to", f"embedded:{here.folder / 'data'}", "--key", "{line}")
    assert here.run("load", file, *options, "--job", "nightly").code == 0
    assert here.run("verify", file, *options).report["records"]["equal"] == 2


def test_what_was_left_of_an_embedded_load_is_removed_when_the_folder_has_data(
    here: Here, tiny_blocks: None
) -> None:
    file, key = stopped_by_a_record(here.folder)
    to = ("--to", f"embedded:{here.folder / 'data'}", "--max-rejects", "1")
    assert here.run("load", file, *key, *to[:2]).code == 5
    assert here.run("load", file, *key, *to, "--if-exists", "skip").records["skipped"] == 160
    assert here.run("load", file, *key, *to).records["written"] == 200
    assert sorted(os.listdir(here.folder / "data")) == ["dump.rdb", "etl.lock", "redis.log", "server.lock"]


def test_nothing_is_left_of_a_stream_that_cannot_be_read_again(
    here: Here, tiny_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"a" * 99 + b"\n"
    for key in ("{#}", "{line}"):
        with tempfile.TemporaryFile() as pipe:
            pipe.write(100 * text + b"\xff\n" + text)
            pipe.seek(0)
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
            to = ("--to", f"rdb:{here.folder / 'dump.rdb'}", "--value", "{json}")
            assert here.run("load", "-", *to, "--key", key).code == 5
        assert "dump.rdb" not in " ".join(os.listdir(here.folder))


def test_what_a_pass_over_the_keys_has_left_is_removed_by_a_load_without_one(here: Here) -> None:
    file = write_input(here.folder, FEW)
    left = here.folder / "dump.rdb.keys"
    left.mkdir()
    (left / "hashes-redis-etl-0.spilled").write_bytes(b"x")
    (here.folder / "dump.rdb.spool").write_bytes(b"x")
    assert here.run("load", file, "--to", f"rdb:{here.folder / 'dump.rdb'}").code == 0
    assert sorted(os.listdir(here.folder)) == ["dump.rdb", "input.txt"]
