"""Remote files without a network: fsspec's file system in memory, globs, and errors as sentences."""

from __future__ import annotations

import builtins
import pickle
import uuid
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from etl.errors import EtlError, MissingExtraError, SourceError, UsageError
from etl.source.storage.remote import RemoteFile, explaining, find_remote, open_remote
from etl.source.storage.stores.arrow import glob_pattern
from etl.source.storage.uri import parse_uri
from etl.source.text.find import find_text
from etl.source.text.lines import Lines
from tests.cases import cases
from tests.unit.source.streams import CODECS, SUFFIX, compress


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder of its own in memory; gives its URI."""
    memory = fsspec.filesystem("memory")
    name = uuid.uuid4().hex
    for path in ("b.txt", "a.txt", "deep/er/c.txt", "deep/d.csv", "_hidden/x.txt", "deep/.x.txt"):
        memory.pipe(f"/{name}/{path}", f"{path}\n".encode())
    yield f"memory://{name}"
    memory.rm(f"/{name}", recursive=True)


def names(files: tuple[RemoteFile, ...], folder: str) -> list[str]:
    return [file.name.removeprefix(f"{folder}/") for file in files]


@cases(
    ("path", "expected"),
    [
        ("/a.txt", ["a.txt"]),
        ("", ["a.txt", "b.txt", "deep/d.csv", "deep/er/c.txt"]),
        ("/deep/", ["deep/d.csv", "deep/er/c.txt"]),
        ("/*.txt", ["a.txt", "b.txt"]),
        ("/deep/**/*.txt", ["deep/er/c.txt"]),
        ("/[b-z].txt", ["b.txt"]),
    ],
)
def test_files_globs_and_folders_are_found_in_a_stable_order(
    folder: str, path: str, expected: list[str]
) -> None:
    found = find_remote(folder + path)
    assert [name for name in names(found, folder) if ".x" not in name] == expected
    assert all(
        file.nbytes == len(f"{name}\n") for file, name in zip(found, names(found, folder), strict=True)
    )


@pytest.mark.parametrize("path", ["/nothing.txt", "/*.parquet", "/nothing/"])
def test_nothing_found_is_an_error(folder: str, path: str) -> None:
    with pytest.raises(SourceError, match=r"there is nothing at|no file matches") as error:
        find_remote(folder + path)
    assert folder in str(error.value)


@cases("codec", [None, *CODECS])
def test_a_remote_file_is_a_stream(folder: str, codec: str | None) -> None:
    text = b"one\ntwo\nthree\n"
    name = f"x.txt{SUFFIX.get(codec or '', '')}"
    fsspec.filesystem("memory").pipe(f"{folder}/{name}", text if codec is None else compress(codec, text))
    source = find_text([f"{folder}/{name}"], Lines())
    assert source.streamed
    blocks = list(source.blocks(4))
    assert b"".join(block.payload or b"" for block in blocks) == text
    assert sum(block.nbytes for block in blocks) == source.nbytes
    source.verify_unchanged()


def test_local_and_remote_files_come_in_the_order_given(folder: str) -> None:
    source = find_text([f"{folder}/b.txt", f"{folder}/a.txt"], Lines())
    assert [source.name_of(block) for block in source.blocks(99)] == [
        f"{folder}/b.txt",
        f"{folder}/a.txt",
    ]


def test_a_file_given_twice_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match=r"a\.txt is given twice"):
        find_text([f"{folder}/a.txt", folder], Lines())


def test_a_file_can_be_read_anywhere(folder: str) -> None:
    (file,) = find_remote(f"{folder}/a.txt")
    opened, nbytes = open_remote(pickle.loads(pickle.dumps(file)))  # noqa: S301 - our own
    opened.seek(2)
    assert opened.read() == b"txt\n"
    assert nbytes == opened.size() == 6
    opened.close()


@pytest.mark.parametrize(
    ("data", "message"), [(b"longer than it was\n", "changed"), (b"1\n", "changed"), (None, "")]
)
def test_a_file_that_changes_is_noticed(folder: str, data: bytes | None, message: str) -> None:
    memory = fsspec.filesystem("memory")
    (file,) = find_remote(f"{folder}/a.txt")
    if data is None:
        memory.rm(f"{folder}/a.txt")
        with pytest.raises(SourceError, match="went away while it was read"):
            file.verify_unchanged()
        with pytest.raises(SourceError, match="there is nothing there"):
            file.open()
        return
    memory.pipe(f"{folder}/a.txt", data)
    with pytest.raises(SourceError, match=message):
        file.verify_unchanged()
    with pytest.raises(SourceError, match=message):
        read_whole(file)


def read_whole(file: RemoteFile) -> bytes:
    stream = file.open()
    return b"".join(iter(lambda: stream.read(100), b""))


def test_queries_tell_files_apart_and_are_not_shown() -> None:
    one, two = (RemoteFile(parse_uri(f"https://host/get?id={number}&key=sesame"), 1) for number in (1, 2))
    assert one.identity != two.identity
    assert one.identity == RemoteFile(one.uri, 2).identity
    assert RemoteFile(parse_uri("https://host/x"), 1).identity == "https://host/x"
    for text in (repr(one), one.name, one.identity):
        assert "sesame" not in text


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("nonsense://host/x?key=sesame", UsageError, "nonsense:// is not known to any library here"),
        ("s3://bucket/x?sesame=open", SourceError, r"cannot read s3://bucket/x: Unexpected query parameter"),
        ("s3://user:se/same@bucket/x", UsageError, "must be written %2F"),
    ],
)
def test_uris_that_cannot_be_are_refused(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        find_remote(source)
    assert "open" not in str(raised.value)
    assert "same@" not in str(raised.value)


@pytest.mark.parametrize(
    ("missing", "scheme"), [("fsspec.core", "http"), ("aiohttp", "https"), ("fsspec.core", "ftp")]
)
def test_a_missing_library_is_named(missing: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == missing:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'redis-etl\[remote\]'"):
        find_remote(f"{scheme}://127.0.0.1:1/x")


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"{status} https://host/x?key=sesame")
        self.status = status


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@cases(
    ("error", "message"),
    [
        (StatusError(404), r"there is nothing there \(HTTP status 404\)$"),
        (StatusError(403), r"the server refuses it \(HTTP status 403\): are the credentials right"),
        (StatusError(500), r"the server answers with HTTP status 500$"),
        (caused(FileNotFoundError("https://host/x?key=sesame"), StatusError(401)), "refuses it"),
        (caused(FileNotFoundError("x"), OSError("no route to host")), ": no route to host$"),
        (FileNotFoundError("https://host/x?key=sesame"), "there is nothing there$"),
        (TimeoutError(), "does not answer in time$"),
        (OSError("bad: https://anna:pw@host/x?key=sesame\nsecond line"), r": bad: https://host/x$"),
        (OSError("anna:pw said sesame to pw"), r": \*\*\* said \*\*\* to \*\*\*$"),
        (ValueError("x" * 1000), r": x{300}\.\.\.$"),
        (KeyError(), ": KeyError$"),
    ],
)
def test_whatever_is_raised_becomes_a_sentence_without_secrets(error: Exception, message: str) -> None:
    uri = parse_uri("https://anna:pw@host/x?key=sesame")
    with pytest.raises(SourceError, match=message) as raised, explaining(uri, at=12345):
        raise error
    assert str(raised.value).startswith("cannot read https://host/x at byte 12,345: ")
    assert raised.value.__suppress_context__
    for secret in ("sesame", "anna", "second line"):
        assert secret not in str(raised.value)


def test_errors_that_are_sentences_already_stay_as_they_are() -> None:
    with pytest.raises(EtlError, match=r"^as it was$"), explaining(parse_uri("s3://b/x")):
        raise SourceError("as it was")


@cases(
    ("pattern", "path", "expected"),
    [
        ("b/*.csv", "b/x.csv", True),
        ("b/*.csv", "b/d/x.csv", False),
        ("b/*.csv", "b/.x.csv", False),
        ("b/x*.csv", "b/x.y.csv", True),
        ("b/*/x.csv", "b/d/x.csv", True),
        ("b/*/x.csv", "b/x.csv", False),
        ("b/**/x.csv", "b/x.csv", True),
        ("b/**/x.csv", "b/d/e/x.csv", True),
        ("b/**/x.csv", "b/.d/x.csv", False),
        ("b/**", "b/d/e", True),
        ("b/[a-c].csv", "b/b.csv", True),
        ("b/[a-c].csv", "b/d.csv", False),
        ("b/[!a-c].csv", "b/d.csv", True),
        ("b/[!a-c].csv", "b//.csv", False),
        ("b/[[].csv", "b/[.csv", True),
        ("b/x+(1).csv*", "b/x+(1).csv.gz", True),
        ("b/[x", "b/[x", True),
        ("b/*", "b/two\nlines", True),
    ],
)
def test_globs_match_as_those_of_a_shell_do(pattern: str, path: str, expected: bool) -> None:
    assert (glob_pattern(pattern).fullmatch(path) is not None) is expected
