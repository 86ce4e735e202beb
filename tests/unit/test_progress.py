"""Progress: true at every moment, and never in the way of the run."""

from __future__ import annotations

import contextlib
import errno
import io
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import progress
from etl.plan import Plan
from etl.progress import BarPainter, Before, LogPainter, Painting, choose_mode, log_line, painting
from etl.report import Tally
from tests.cases import cases
from tests.unit.given import source_of
from tests.unit.memory import plan_for


class Sketch:
    """A painter that remembers what it was told."""

    every_s = 0.0005

    def __init__(self, failure: Exception | None = None) -> None:
        self.painted: list[tuple[int, int]] = []
        self.closed = False
        self.began = threading.Event()
        self._failure = failure

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        self.painted.append((bytes_done, records))
        self.began.set()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self.closed = True
        if self._failure is not None:
            raise self._failure


def tally_of(workers: int, *, finished: int = 0, bytes_done: int = 0, records: int = 0) -> Tally:
    tally = Tally([0] * Tally.size(workers), workers)
    for worker in range(finished):
        tally.add(worker, "finished", 1)
    tally.add(0, "bytes_done", bytes_done)
    tally.add(workers - 1, "records_read", records)
    return tally


def plan_of(folder: Path, mode: str, content: bytes = b"a\nb\n") -> Plan:
    return plan_for(source_of(folder, [content]), progress=mode)


class Endless:
    """A source of unknown size."""

    nbytes = None
    streamed = True


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stderr that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@cases(
    ("asked", "terminal", "mode"),
    [
        ("auto", True, "bar"),
        ("auto", False, "log"),
        ("bar", False, "bar"),
        ("log", True, "log"),
        ("none", True, "none"),
    ],
)
def test_auto_is_a_bar_on_a_terminal_and_a_log_elsewhere(
    monkeypatch: pytest.MonkeyPatch, asked: str, terminal: bool, mode: str
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    assert choose_mode(asked) == mode


def test_auto_is_nothing_where_there_is_no_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stderr in (None, closed):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert choose_mode("auto") == "none"


@given(st.integers(1, 1 << 40), st.data())
def test_a_log_line_says_100_percent_when_all_is_done_and_not_before(total: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, total))
    found = re.match(r"redis-etl: (\d+) % ", log_line(done, total, 7, 1.0))
    assert found
    assert (found.group(1) == "100") == (done == total)
    assert int(found.group(1)) == 100 * done // total


def test_a_log_line_says_how_far_how_fast_and_how_long_still() -> None:
    assert log_line(100_000_000, 400_000_000, 1_000_000, 10) == (
        "redis-etl: 25 % (100.0 MB of 400.0 MB), 1,000,000 records, 100,000 records/s, 30.0 s left"
    )
    assert log_line(0, 10, 0, 0) == "redis-etl: 0 % (0 B of 10 B), 0 records, 0 records/s"


@cases(
    ("finished", "bytes_done", "shown"),
    [
        (0, 0, 0),
        (0, 50, 50),
        (1, 100, 99),
        (0, 100, 99),
        (2, 100, 100),
        (0, 150, 99),
        (2, 150, 100),
        (2, 90, 100),
    ],
)
def test_all_of_the_bytes_are_shown_only_when_every_worker_has_finished(
    finished: int, bytes_done: int, shown: int
) -> None:
    sketch = Sketch()
    Painting(sketch, tally_of(2, finished=finished, bytes_done=bytes_done, records=7), 100).paint()
    assert sketch.painted == [(shown, 7)]


def test_the_painting_goes_on_until_it_is_told_to_leave() -> None:
    sketch = Sketch()
    thread = Painting(sketch, tally_of(1), 100)
    thread.start()
    assert sketch.began.wait(10)
    thread.leave()
    assert not thread.is_alive()
    assert sketch.closed


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "gone"), ValueError("I/O operation on closed file")])
def test_a_painter_that_fails_ends_the_painting_and_nothing_else(failure: Exception) -> None:
    sketch = Sketch(failure)
    thread = Painting(sketch, tally_of(1), 100)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    thread.leave()
    assert sketch.closed


@pytest.mark.parametrize("mode", ["bar", "log"])
@pytest.mark.parametrize("stderr", [Broken(), None])
def test_a_stderr_that_cannot_be_written_to_does_not_disturb_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, stderr: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(LogPainter, "every_s", 0.0005)
    tally = tally_of(1)
    with painting(plan_of(tmp_path, mode), tally):
        tally.add(0, "bytes_done", 4)
        tally.add(0, "finished", 1)


def test_nothing_is_painted_where_nothing_is_asked_for_or_there_is_nothing_to_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with painting(plan_of(tmp_path, "none"), tally_of(1)) as thread:
        assert thread is None
    with painting(plan_of(tmp_path, "bar", b""), tally_of(1)) as thread:
        assert thread is None
    assert capsys.readouterr() == ("", "")


def test_of_an_input_of_unknown_size_a_log_line_says_how_far_and_how_fast() -> None:
    line = "redis-etl: 100.0 MB, 1,000,000 records, 100,000 records/s"
    assert log_line(100_000_000, None, 1_000_000, 10) == line
    assert log_line(0, None, 0, 0) == "redis-etl: 0 B, 0 records, 0 records/s"


def test_of_an_input_of_unknown_size_all_bytes_so_far_are_shown() -> None:
    sketch = Sketch()
    Painting(sketch, tally_of(2, bytes_done=150, records=7), None).paint()
    assert sketch.painted == [(150, 7)]


def test_a_bar_without_a_total_has_no_percentage(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(monkeypatch, None, (0, 0, 0.0), (250_000, 5_000, 2.0))
    assert "%" not in lines
    assert re.search(r"250k \[.*5,000 records, 2,500/s\]", lines)


@pytest.mark.parametrize("mode", ["bar", "log"])
def test_an_input_of_unknown_size_is_painted(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    endless: Any = Endless()
    with painting(plan_for(endless, progress=mode), tally_of(1)) as thread:
        assert thread is not None


def drawn(monkeypatch: pytest.MonkeyPatch, total: int | None, *states: tuple[int, int, float]) -> str:
    """Give what a bar leaves on a terminal, each drawing on a line of its own."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    painter = BarPainter(total)
    for state in states:
        painter.paint(*state)
    painter.close()
    assert isinstance(sys.stderr, Terminal)
    return sys.stderr.getvalue().replace("\r", "\n")


def test_the_bar_shows_percent_bytes_records_and_their_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(monkeypatch, 1_000_000, (250_000, 5_000, 2.0))
    assert re.search(r" 25%\|.*\| 250k/1\.00M \[.*5,000 records, 2,500/s", lines)


def test_the_bar_never_rounds_up_to_100_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "100%" not in drawn(monkeypatch, 1_000_000, (999_999, 10, 1.0))
    assert "100%" in drawn(monkeypatch, 1_000_000, (999_999, 10, 1.0), (1_000_000, 11, 1.0))


def test_a_bar_that_left_in_the_middle_does_not_claim_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "100%" not in drawn(monkeypatch, 100, (40, 4, 1.0))


def test_a_whole_run_ends_with_a_whole_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    tally = tally_of(1)
    with painting(plan_of(tmp_path, "bar"), tally):
        tally.add(0, "bytes_done", 4)
        tally.add(0, "records_read", 2)
        tally.add(0, "finished", 1)
    assert isinstance(sys.stderr, Terminal)
    last = sys.stderr.getvalue().replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("100%")
    assert "2 records" in last


def test_tqdm_starts_no_thread_and_no_lock_between_processes() -> None:
    bar = progress._make_bar(10)
    try:
        assert type(bar).monitor_interval == 0
        assert "RLock" in type(type(bar).get_lock()).__name__
    finally:
        bar.close()


def test_rates_and_the_time_left_are_of_this_run_where_an_earlier_one_has_done_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(records=900_000, nbytes=90_000_000)
    assert log_line(95_000_000, 100_000_000, 950_000, 10, before) == (
        "redis-etl: 95 % (95.0 MB of 100.0 MB), 950,000 records, 5,000 records/s, 10.0 s left"
    )
    monkeypatch.setattr(sys, "stderr", Terminal())
    painter = BarPainter(100_000_000, before)
    painter.paint(95_000_000, 950_000, 10)
    assert painter._bar.initial == before.nbytes
    assert isinstance(sys.stderr, Terminal)
    assert "950,000 records, 5,000/s" in sys.stderr.getvalue()
    tally = tally_of(2)
    tally.set(2, "records_read", 7)
    tally.set(2, "bytes_done", 2)
    with painting(plan_of(tmp_path, "bar"), tally) as thread:
        assert thread is not None
        assert thread._painter._before == Before(7, 2)  # type: ignore[attr-defined]


def test_a_narrow_terminal_is_shown_what_is_needed_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    painter = BarPainter(1_000_000)
    bar = painter._bar
    for columns, shown, dropped in [
        (120, ["25%|", "250k/1.00M", "left", "5,000 records", "2,500/s"], []),
        (80, ["25%|", "5,000 records", "2,500/s"], []),
        (60, ["25%|", "5,000 records", "2,500/s"], ["250k"]),
        (40, ["25%|", "left", "2,500/s"], ["250k", "records"]),
        (25, ["25%|"], ["250k", "records", "/s"]),
        (4, ["25%"], ["|"]),
    ]:
        bar.dynamic_ncols = lambda file, columns=columns: (columns, 24)
        painter.paint(250_000, 5_000, 2.0)
        assert isinstance(sys.stderr, Terminal)
        line = sys.stderr.getvalue().rpartition("\r")[2].rstrip()
        assert len(line) <= columns
        for text in shown:
            assert text in line or (text == "left" and "<" in line), (columns, line)
        for text in dropped:
            assert text not in line, (columns, line)
    painter.close()


def test_a_bar_whose_terminal_is_gone_can_be_closed_by_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        gone = False

        def write(self, text: str) -> int:
            if self.gone:
                raise OSError("the terminal was closed")
            return super().write(text)

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    bar = BarPainter(10)
    terminal.gone = True

    def paint() -> None:
        with contextlib.suppress(OSError):
            bar.paint(1, 1, 1.0)

    def close() -> None:
        with contextlib.suppress(OSError):
            bar.close()

    for work in (paint, paint, close):
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
