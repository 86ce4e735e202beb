"""Inputs of every kind: a right result, or one clear error."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import etl
from tests.server.inputs import held
from tests.support import RealServer, data_size, run_cli

MB = 1_000_000

INPUTS: dict[str, tuple[bytes, list[bytes]]] = {
    "empty": (b"", []),
    "one line break": (b"\n", [b""]),
    "no newline at the end": (b"a\nb", [b"a", b"b"]),
    "one line without newline": (b"a", [b"a"]),
    "CRLF": (b"a\r\nb\r\n", [b"a", b"b"]),
    "CRLF without one at the end": (b"a\r\nb", [b"a", b"b"]),
    "LF and CRLF": (b"a\nb\r\nc\n\r\n", [b"a", b"b", b"c", b""]),
    "carriage returns that end no line": (b"a\rb\r\r\nc\r", [b"a\rb\r", b"c\r"]),
    "blank lines": (b"\n\na\n\n", [b"", b"", b"a", b""]),
    "every byte value": (
        bytes(range(256)) + b"\n" + b"".join(b"%c.\n" % byte for byte in range(256)),
        [
            *bytes(range(256)).split(b"\n"),
            *(line for byte in range(256) for line in (b"%c." % byte).split(b"\n")),
        ],
    ),
    "NUL bytes": (b"\0\n\0a\0\n", [b"\0", b"\0a\0"]),
    "no UTF-8": (b"\xff\xfe\n\x80abc\n\xc3\n", [b"\xff\xfe", b"\x80abc", b"\xc3"]),
    "a byte order mark": (b"\xef\xbb\xbfa\n", [b"\xef\xbb\xbfa"]),
    "other line separators": ("a\x0b\x0c\x85\u2028b\n".encode(), ["a\x0b\x0c\x85\u2028b".encode()]),
    "Redis protocol": (b"$5\r\n*1\r\n\nFLUSHALL\n", [b"$5", b"*1", b"", b"FLUSHALL"]),
    "spaces": (b" a \n\t\n", [b" a ", b"\t"]),
    "one long line": (b"x" * (5 * MB), [b"x" * (5 * MB)]),
    "a long line among short ones": (
        b"a\n" + b"x" * (3 * MB) + b"\nb\n" * 2,
        [b"a", b"x" * (3 * MB), b"b", b"", b"b"],
    ),
    "many blank lines": (b"\n" * 12_000, [b""] * 12_000),
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", INPUTS)
def test_every_line_arrives_as_it_is(
    real_server: RealServer, tmp_path: Path, name: str, workers: int
) -> None:
    data, lines = INPUTS[name]
    file = tmp_path / "input.txt"
    file.write_bytes(data)
    report = etl.load(file, to=real_server.url, format="lines", workers=workers, progress="none")
    assert report.status == "complete"
    assert report.records == {"read": len(lines), "written": len(lines), "skipped": 0, "rejected": 0}
    assert report.bytes == len(data)
    assert held(real_server.client(), len(lines)) == lines
    verified = etl.verify(file, to=real_server.url, format="lines", workers=workers, progress="none")
    assert verified.records == {
        "read": len(lines),
        "equal": len(lines),
        "missing": 0,
        "different": 0,
        "rejected": 0,
    }


@pytest.mark.parametrize(("megabytes", "options"), [(200, {}), (70, {"ttl": 1_000})], ids=["MSET", "SET"])
def test_a_line_of_many_megabytes_arrives(
    real_server: RealServer, tmp_path: Path, megabytes: int, options: dict[str, Any]
) -> None:
    file = tmp_path / "long.txt"
    piece = b"0123456789abcdef" * 62_500
    with open(file, "wb") as output:
        output.write(b"first\n")
        for _ in range(megabytes):
            output.write(piece)
        output.write(b"\nlast\n")
    report = etl.load(file, to=real_server.url, workers=2, progress="none", max_record="256MB", **options)
    assert report.records["written"] == 3
    client = real_server.client()
    assert client.strlen("1") == megabytes * MB
    assert client.getrange("1", 0, 15) == client.getrange("1", megabytes * MB - 16, -1) == piece[:16]
    assert client.mget("0", "2") == [b"first", b"last"]
    verified = etl.verify(file, to=real_server.url, workers=2, progress="none", max_record="256MB")
    assert verified.exit_code == 0


def test_a_line_that_no_server_takes_is_refused(real_server: RealServer, tmp_path: Path) -> None:
    file = tmp_path / "sparse.txt"
    with open(file, "wb") as output:
        output.write(b"first\n")
        output.truncate(600 << 20)  # a line of NUL bytes, without a disk's blocks
    call = ("load", file, "--to", real_server.url, "--progress", "none", "--format", "lines")
    ended = run_cli(*call, "--rejects", tmp_path / "rejects.jsonl")
    assert ended.returncode == 5
    assert f"record 1 of {file} (byte 6) was refused: it takes 629,145,594 bytes" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert data_size(real_server.client()) <= 1


def test_files_globs_and_folders_are_numbered_in_order(real_server: RealServer, tmp_path: Path) -> None:
    for name, data in {
        "folder/b.txt": b"3\n",
        "folder/a.txt": b"2",
        "folder/deep/c.txt": b"4\n5\n",
        "folder/.hidden": b"no\n",
        "folder/_SUCCESS": b"",
        "part-1.txt": b"6\n",
        "part-2.txt": b"",
        "part-3.txt": b"7\r\n8",
        "first.txt": b"0\n1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    sources = (tmp_path / "first.txt", tmp_path / "folder", tmp_path / "part-*.txt")
    for workers in (1, 4):
        report = etl.load(*sources, to=real_server.url, workers=workers, progress="none")
        assert report.records["written"] == 9
        assert held(real_server.client(), 9) == [b"%d" % number for number in range(9)]
        real_server.client().flushall()


def refused(*args: str | os.PathLike[str], url: str) -> tuple[int, str]:
    ended = run_cli("load", *args, "--to", url)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.removeprefix("redis-etl: ").rstrip("\n")


def test_a_missing_file_is_named(real_server: RealServer, tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    assert refused(missing, url=real_server.url) == (3, f"cannot read {missing}: No such file or directory")


def test_a_glob_without_files_is_named(real_server: RealServer, tmp_path: Path) -> None:
    assert refused(tmp_path / "*.txt", url=real_server.url) == (3, f"no file matches {tmp_path}/*.txt")


def test_a_folder_without_files_is_named(real_server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / ".hidden").touch()
    code, sentence = refused(tmp_path / "folder", url=real_server.url)
    assert code == 3
    assert sentence.startswith(f"the folder {tmp_path / 'folder'} holds no files")


def test_a_device_is_refused_and_a_pipe_is_loaded_and_verified(
    real_server: RealServer, tmp_path: Path
) -> None:
    assert refused("/dev/zero", url=real_server.url) == (3, "/dev/zero is a device, not a regular file")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for verb in ("load", "verify"):
        writer = threading.Thread(target=pipe.write_bytes, args=(b"a\nb\n",))
        writer.start()
        ended = run_cli(verb, pipe, "--to", real_server.url, "--progress", "none")
        writer.join()
        assert (ended.returncode, ended.stderr) == (0, "")
    assert held(real_server.client(), 2) == [b"a", b"b"]


def test_a_file_without_permission_is_named(real_server: RealServer, tmp_path: Path) -> None:
    # Root reads everything; a loop of links is what even root cannot open.
    private, loop = tmp_path / "private.txt", tmp_path / "loop.txt"
    private.write_text("a\n")
    private.chmod(0)
    loop.symlink_to(loop)
    path, said = (loop, "symbolic links") if os.geteuid() == 0 else (private, "Permission denied")
    code, sentence = refused(path, url=real_server.url)
    assert code == 3
    assert sentence.startswith(f"cannot read {path}: ")
    assert said in sentence


def test_a_source_given_twice_is_a_usage_error(real_server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    code, sentence = refused(tmp_path / "a.txt", tmp_path, url=real_server.url)
    assert code == 2
    assert "is given twice" in sentence


def test_a_template_with_an_unknown_field_is_a_usage_error(real_server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    code, sentence = refused(tmp_path / "a.txt", "--key", "{id}", url=real_server.url)
    assert code == 2
    assert "uses {id}, but" in sentence
    assert data_size(real_server.client()) == 0


def test_an_unknown_option_is_a_usage_error(real_server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    code, sentence = refused(tmp_path / "a.txt", "--wrokers", "2", url=real_server.url)
    assert code == 2
    assert sentence.startswith("load has no option --wrokers; did you mean --workers")
