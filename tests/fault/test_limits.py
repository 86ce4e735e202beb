"""Limits of the system (ulimit): each run completes or ends with one sentence, and leaves no process."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.commands import Command, Ended, write_lines
from tests.support import REPO, RealServer


def limited(kind: int, limit: int, *args: str | Path) -> Ended:
    """Run the command line under a limit."""
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", *map(str, args), "--progress", "none"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
        # Python takes a short write for a whole one: it would leave half a compiled module to the others.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
        preexec_fn=functools.partial(resource.setrlimit, kind, (limit, limit)),
    )
    command = Command(process)
    try:
        return command.end(soon_s=30)
    finally:
        command.clean_up()


FEW_DESCRIPTORS = [("1", (6, 9, 16, 24)), ("2", (6, 20, 32, 40)), ("5", (50, 70))]
"""From what Python itself can be started with to what is enough."""


@pytest.mark.parametrize(("workers", "limits"), FEW_DESCRIPTORS, ids=["one worker", "two", "five"])
def test_a_limit_of_open_files_is_one_sentence_or_enough(
    tmp_path: Path, real_server: RealServer, workers: str, limits: tuple[int, ...]
) -> None:
    file = write_lines(tmp_path / "some.txt", 6_000_000)
    codes = []
    for limit in limits:
        to = ("--to", real_server.url, "--workers", workers, "--restart")
        ended = limited(resource.RLIMIT_NOFILE, limit, "load", file, *to)
        codes.append(ended.code)
        if ended.code:
            assert ended.code == 71, (limit, ended)
            assert f"the limit of open files is {limit}" in ended.sentence
            assert "(ulimit -n)" in ended.sentence
    assert codes == [*[71] * (len(codes) - 1), 0]


def test_a_limit_of_file_sizes_is_one_sentence(tmp_path: Path, real_server: RealServer) -> None:
    file = write_lines(tmp_path / "some.txt", 3_000_000)
    ended = limited(resource.RLIMIT_FSIZE, 1024, "load", file, "--to", real_server.url, "--workers", "2")
    assert ended.code == 71
    assert "grew beyond the limit of file sizes, 1024 bytes: raise it (ulimit -f)" in ended.sentence


def test_rejects_that_grow_beyond_the_limit_of_file_sizes_are_one_sentence(
    tmp_path: Path, real_server: RealServer
) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"id": \n' * 1_000)
    options = ("--key", "{id}", "--max-rejects", "2000", "--rejects", tmp_path / "rejects", "--workers", "1")
    ended = limited(resource.RLIMIT_FSIZE, 1024, "load", file, "--to", real_server.url, *options)
    assert ended.code == 3
    assert "cannot write rejects" in ended.stderr


def test_an_embedded_server_beyond_the_limit_of_file_sizes_is_a_sentence(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "some.txt", 10_000)
    to = ("--to", f"embedded:{tmp_path / 'data'}", "--workers", "1")
    ended = limited(resource.RLIMIT_FSIZE, 1024, "load", file, *to)
    assert ended.code == 4
    assert "ulimit -f" in ended.stderr
