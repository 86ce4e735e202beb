"""The Python API and scripts that use it, with real workers."""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import etl
from tests.fake.loaded import all_of, keys_by_worker, numbered, some_lines, write
from tests.support import REPO, FakeServer, RealServer, RecordingProxy


@pytest.mark.parametrize("workers", [1, 2])
def test_load_and_verify_return_their_reports(tmp_path: Path, fake_server: FakeServer, workers: int) -> None:
    lines = some_lines(500)
    path = write(tmp_path / "train.txt", lines)
    report = etl.load(path, to=fake_server.url, key="t:{#}", workers=workers, progress="none")
    assert isinstance(report, etl.Report)
    assert (report.exit_code, report.status, report.verb) == (0, "complete", "load")
    assert report.records["written"] == len(lines)
    assert all_of(fake_server.client()) == numbered(lines, b"t:")
    fake_server.client().delete("t:3")
    verified = etl.verify(path, to=fake_server.url, key="t:{#}", workers=workers, progress="none")
    assert (verified.exit_code, verified.records["missing"]) == (1, 1)
    assert verified.examples[0].key == b"t:3"


def test_several_sources_are_positional(tmp_path: Path, fake_server: FakeServer) -> None:
    first, second = write(tmp_path / "b", [b"1"]), write(tmp_path / "a", [b"2"])
    etl.load(first, str(second), to=fake_server.url, progress="none")
    assert all_of(fake_server.client()) == {b"0": b"1", b"1": b"2"}


def test_a_failure_is_raised_with_the_report_so_far(tmp_path: Path, real_server: RealServer) -> None:
    path = write(tmp_path / "train.txt", [b"a", b"b"])
    real_server.client().set("1", "old")
    with pytest.raises(etl.EtlError, match="its key exists") as caught:
        etl.load(path, to=real_server.url, if_exists="fail", progress="none")
    assert caught.value.exit_code == 5
    assert caught.value.report is not None
    assert caught.value.report.records == {"read": 2, "written": 1, "skipped": 0, "rejected": 1}


def test_the_options_of_somebody_elses_parser_load_and_verify(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    path = write(tmp_path / "train.txt", [b" a ", b"b"])
    parser = argparse.ArgumentParser()
    etl.add_arguments(parser)
    options = etl.from_args(parser.parse_args(["--to", fake_server.url, "--strip", "--key", "k{#}"]))
    etl.load(path, options=options, progress="none")
    assert all_of(fake_server.client()) == {b"k0": b"a", b"k1": b"b"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_load_may_run_in_a_thread(tmp_path: Path, fake_server: FakeServer, workers: int) -> None:
    lines = some_lines(200)
    path = write(tmp_path / "train.txt", lines)
    reports: list[etl.Report] = []
    thread = threading.Thread(
        target=lambda: reports.append(etl.load(path, to=fake_server.url, workers=workers, progress="none"))
    )
    thread.start()
    thread.join(60)
    assert [report.status for report in reports] == ["complete"]
    assert all_of(fake_server.client()) == numbered(lines)


def script(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin"},
    )


def test_load_lines_is_the_original_script_on_this_loader(tmp_path: Path, fake_server: FakeServer) -> None:
    lines = some_lines(400)
    path = write(tmp_path / "train.txt", lines)
    with RecordingProxy(fake_server.port) as proxy:
        done = script(REPO / "scripts" / "load_lines.py", "--port", str(proxy.port), "--file", path)
        sent = keys_by_worker(proxy)
    assert done.returncode == 0, done.stderr
    assert "400 read = 400 written" in done.stdout
    assert set(sent) == {"redis-etl", *(f"redis-etl-{worker}" for worker in range(8))}
    stripped = [
        line.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape") for line in lines
    ]
    assert all_of(fake_server.client()) == numbered(stripped)


def test_load_lines_takes_the_loaders_options_and_says_its_errors(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    path = write(tmp_path / "train.txt", [b" a"])
    port = ("--port", str(fake_server.port))
    done = script(REPO / "scripts" / "load_lines.py", *port, "--file", path, "--key", "k:{#}")
    assert done.returncode == 0, done.stderr
    assert all_of(fake_server.client()) == {b"k:0": b"a"}
    done = script(REPO / "scripts" / "load_lines.py", *port, "--file", tmp_path / "missing")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("load_lines: cannot read ")
