"""stdout and stderr that are closed, full or a terminal, and what is shown on them meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from signal import SIGINT

import pytest

from tests.fault.commands import (
    MIDDLE_BYTES,
    MORE_THAN_IN_FLIGHT,
    START_METHODS,
    StartCommand,
    connection_of,
    hold_in_the_middle,
    wait_for_the_middle,
    write_lines,
)
from tests.support import REPO, RealServer, RecordingProxy, data_size, in_session, start_cli, wait_until

RECORDS = MORE_THAN_IN_FLIGHT // 1_000


def run_in_shell(command: str, *args: str | os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``"$@"`` is the command line of redis-etl."""
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-m", "etl", *(os.fspath(arg) for arg in args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=REPO,
        timeout=60,
        check=False,
    )


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "small.txt", 3_000_000)


@pytest.mark.parametrize("json_or_not", [(), ("--json",)], ids=["text", "json"])
def test_a_reader_of_stdout_that_has_gone_changes_nothing(
    real_server: RealServer, small_file: Path, json_or_not: tuple[str, ...]
) -> None:
    shell = '"$@" | true; exit ${PIPESTATUS[0]}'
    ended = run_in_shell(shell, "load", small_file, "--to", real_server.url, "--workers", "2", *json_or_not)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert data_size(real_server.client()) == 3_000


@pytest.mark.parametrize(
    ("closed", "progress", "method"),
    [
        ("<&-", "bar", "forkserver"),
        (">&-", "bar", "forkserver"),
        ("2>&-", "log", "forkserver"),
        *(("2>&-", "bar", method) for method in ("fork", "forkserver")),
        *(("<&- >&- 2>&-", "bar", method) for method in START_METHODS),
    ],
)
def test_closed_streams_change_nothing(
    real_server: RealServer, small_file: Path, closed: str, progress: str, method: str
) -> None:
    options = ("--workers", "2", "--progress", progress, "--start-method", method, "--json")
    ended = run_in_shell(f'"$@" {closed}', "load", small_file, "--to", real_server.url, *options)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    if ">&-" not in closed.split():
        assert json.loads(ended.stdout)["records"]["written"] == 3_000
    assert data_size(real_server.client()) == 3_000


def test_an_error_without_stderr_leaves_stdout_clean(tmp_path: Path) -> None:
    ended = run_in_shell('"$@" 2>&-', "load", tmp_path / "missing.txt", "--to", "redis://127.0.0.1:1")
    assert ended.returncode == 3
    assert ended.stdout == ""


def test_a_full_disk_behind_stdout_is_told(real_server: RealServer, small_file: Path) -> None:
    ended = run_in_shell('"$@" > /dev/full', "load", small_file, "--to", real_server.url)
    assert ended.returncode == 74
    assert ended.stderr == "redis-etl: the report cannot be written: No space left on device\n"
    assert data_size(real_server.client()) == 3_000


def test_a_full_disk_behind_stderr_changes_nothing(real_server: RealServer, small_file: Path) -> None:
    ended = run_in_shell(
        '"$@" 2> /dev/full', "load", small_file, "--to", real_server.url, "--progress", "bar"
    )
    assert ended.returncode == 0
    assert "3,000 read = 3,000 written" in ended.stdout


def test_without_a_terminal_a_line_is_logged_every_few_seconds(
    start: StartCommand, big_file: Path, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", "2", "--progress", "auto")
    wait_for_the_middle(proxy, 2)
    line = command.wait_for_stderr("%")
    assert re.fullmatch(
        r"redis-etl: \d+ % \([\d.]+ \w+ of 36\.0 MB\), [\d,]+ records, [\d,]+ records/s(, .* left)?\n", line
    )
    assert "100 %" not in line
    proxy.release()
    ended = command.end()
    assert ended.code == 0
    assert ended.records["written"] == RECORDS


def test_without_progress_nothing_is_shown(
    start: StartCommand, big_file: Path, real_server: RealServer
) -> None:
    ended = start("load", big_file, "--to", real_server.url, "--workers", "2", "--progress", "none").end()
    assert ended.code == 0
    assert ended.stderr == ""


class Terminal:
    """A command whose stderr is a terminal."""

    def __init__(self, *args: str | os.PathLike[str], columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = start_cli(*args, stderr=slave)
        os.close(slave)
        self.shown = ""

    def hang_up(self) -> None:
        """Be a terminal whose window was closed."""
        os.close(self._master)

    def wait_for(self, pattern: str) -> None:
        """Read until the pattern was shown."""
        while not re.search(pattern, self.shown):
            if not self._read():
                self.end()  # else what it has left open is told of another test
                raise AssertionError(f"{pattern} was not shown: {self.shown!r}")

    def end(self) -> int:
        """Read to the end and give the exit code."""
        while self._read():
            pass
        os.close(self._master)
        self.process.communicate()
        wait_until(lambda: not in_session(self.process.pid), what="the end of all")
        return self.process.wait()

    def _read(self) -> str:
        try:
            piece = os.read(self._master, 65536).decode()
        except OSError:  # nobody has the other end any more
            return ""
        self.shown += piece
        return piece

    def percents(self) -> list[int]:
        return [int(percent) for percent in re.findall(r"(\d+)%\|", self.shown)]


@pytest.mark.parametrize(
    ("workers", "held", "split", "columns"),
    [
        ("1", 0, "block", 80),
        ("2", 0, "block", 80),
        ("2", 1, "block", 80),
        ("3", 2, "record", 80),
        ("2", 1, "block", 0),
    ],
)
def test_on_a_terminal_a_bar_is_drawn_that_says_100_percent_only_at_the_end(
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    held: int,
    split: str,
    columns: int,
) -> None:
    # One worker is held; the others finish.
    proxy.hold("to_server", after=MIDDLE_BYTES, client=f"redis-etl-{held}")
    options = ("--workers", workers, "--split", split)
    terminal = Terminal("load", big_file, "--to", proxy.url, *options, columns=columns)
    proxy.wait_for(MIDDLE_BYTES + 1, connection=connection_of(proxy, held))
    terminal.wait_for(r"records, [1-9][\d,]*/s")
    assert terminal.percents()
    assert 100 not in terminal.percents()
    proxy.release()
    assert terminal.end() == 0
    percents = terminal.percents()
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert f"{RECORDS:,} records" in terminal.shown
    assert terminal.shown.endswith("\n")
    assert terminal.shown.count("\n") == 1
    assert data_size(real_server.client()) == RECORDS


def test_ctrl_c_on_a_terminal_leaves_the_bar_where_it_was(
    big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    terminal = Terminal("load", big_file, "--to", proxy.url, "--workers", "2")
    wait_for_the_middle(proxy, 2)
    terminal.wait_for(r"\d%\|")
    os.killpg(terminal.process.pid, SIGINT)
    proxy.release()
    assert terminal.end() == 130
    assert 100 not in terminal.percents()
    lines = terminal.shown.splitlines()
    assert lines[-1] == "redis-etl: stopped by SIGINT"
    assert "Traceback" not in terminal.shown


def test_a_terminal_that_goes_away_changes_nothing(
    big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    terminal = Terminal("load", big_file, "--to", proxy.url, "--workers", "2", "--json")
    wait_for_the_middle(proxy, 2)
    terminal.wait_for(r"\d%\|")
    terminal.hang_up()
    proxy.release()
    stdout, _ = terminal.process.communicate()
    assert terminal.process.wait() == 0
    assert json.loads(stdout)["records"]["written"] == RECORDS == data_size(real_server.client())
