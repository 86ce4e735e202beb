"""Bad input: a clear error or a right result, nothing lost, and no traceback."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake.loaded import all_of, called, numbered, report_of, write
from tests.support import FakeServer, free_port, start_cli


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["load", "missing.txt"], 3, "cannot read missing.txt: No such file or directory"),
        (["load", "*.nothing"], 3, "no file matches *.nothing"),
        (["load", "empty-folder"], 3, "the folder empty-folder holds no files"),
        (["load", "/dev/null"], 3, "/dev/null is a device"),
        (["load", "a.txt", "a.txt"], 2, "a.txt is given twice"),
        (["load", "a.txt", "*.txt"], 2, "a.txt is given twice"),
        (["load", "-", "-"], 2, "standard input (-) is given twice"),
        (["load"], 2, "no source is given"),
        (["load", "a.txt", "--key", "{id}"], 2, "--key '{id}' uses {id}, but a.txt is read as lines"),
        (["load", "a.txt", "--key", "fixed"], 2, "--key 'fixed' names no field"),
        (["load", "a.txt", "--key", "{#"], 2, "lone {"),
        (["load", "a.txt", "--nothing"], 2, "--nothing"),
        (["load", "a.txt", "--workers", "0"], 2, "--workers must be a whole number from 1, not '0'"),
        (["load", "a.txt", "--ttl", "x"], 2, "--ttl must be a time such as"),
        (["load", "a.tar.gz"], 3, "a.tar.gz looks like a tar archive"),
        (["load", "a.bin"], 3, "a.bin is not text: it has a NUL byte at byte 3"),
        (["load", "array.jsonl"], 3, "array.jsonl begins with [: a JSON array is read with --format json"),
        (["verify", "missing.txt"], 3, "cannot read missing.txt"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr_with_its_exit_code(
    tmp_path: Path,
    fake_server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.txt", [b"a"])
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "a.bin").write_bytes(b"abc\0\n")
    (tmp_path / "array.jsonl").write_bytes(b'[{"a": 1},\n {"a": 2}]\n')
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.txt", "a.txt")
    done = called(*argv, env={"REDIS_URL": fake_server.url})
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert all_of(fake_server.client()) == {}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_not_there_is_exit_code_4_and_no_secret_is_shown(
    tmp_path: Path, workers: str
) -> None:
    path = write(tmp_path / "a.txt", [b"a", b"b"])
    port = free_port()
    done = called("load", path, "--to", f"redis://user:s3cr3t@127.0.0.1:{port}", "--workers", workers)
    assert done.returncode == 4
    assert done.stderr == f"redis-etl: cannot reach redis://127.0.0.1:{port}/0: connection refused\n"
    assert done.stdout == ""


AS_NOBODY = """
import os
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
"""
"""Run by a command that has imported all: nobody may not be allowed to read this Python's library."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        (folder / "closed").chmod(0o755)


@pytest.mark.parametrize(
    "source",
    ["closed.txt", "closed", "closed/inside.txt", ".", "closed.csv.gz", "closed.json", "closed.parquet"],
)
def test_a_file_or_folder_without_permission_is_exit_code_3_and_named(open_folder: Path, source: str) -> None:
    write(open_folder / "closed" / "inside.txt", [b"a"])
    for name in ("closed.txt", "closed.csv.gz", "closed.json", "closed.parquet"):
        write(open_folder / name, [b"a"]).chmod(0)
    (open_folder / "closed").chmod(0)
    command = start_cli("load", os.path.join(open_folder, source), patch=AS_NOBODY)
    _, stderr = command.communicate(timeout=60)
    assert command.wait() == 3
    assert f"cannot read {open_folder}" in stderr or "cannot read the folder" in stderr
    assert "Permission denied" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("split", ["block", "record"])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"\n\n\na\n\n", [b"", b"", b"", b"a", b""]),
        (b"a\0b\n\0\n", [b"a\0b", b"\0"]),
        (b"\xff\xfe\n\x80\n", [b"\xff\xfe", b"\x80"]),
        (b"x" * 300_000 + b"\nshort\n" + b"y" * 200_000, [b"x" * 300_000, b"short", b"y" * 200_000]),
    ],
    ids=["no-newline", "crlf", "blank", "nul", "no-utf8", "long"],
)
def test_any_bytes_arrive_as_they_are(
    tmp_path: Path, fake_server: FakeServer, content: bytes, lines: list[bytes], split: str
) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(content)
    lines_of = (path, "--to", fake_server.url, "--format", "lines")
    report_of("load", *lines_of, "--workers", "2", "--split", split)
    assert all_of(fake_server.client()) == numbered(lines)
    assert report_of("verify", *lines_of)["records"]["equal"] == len(lines)


def test_a_file_name_of_any_bytes_is_read_and_named(tmp_path: Path, fake_server: FakeServer) -> None:
    name = os.fsdecode(b"\xff\xfe.txt")
    write(tmp_path / name, [b"a"])
    report_of("load", tmp_path / name, "--to", fake_server.url)
    assert all_of(fake_server.client()) == {b"0": b"a"}
    done = called("load", tmp_path / (name + "x"), "--to", fake_server.url)
    assert done.returncode == 3
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr
