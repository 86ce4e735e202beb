"""Streams of text: cut into blocks with payloads, told apart by number, read like files."""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.storage.compression import ByteStream
from etl.source.storage.local import LocalFile, find_files
from etl.source.storage.stdin import StandardInput
from etl.source.text.files import open_text_files
from etl.source.text.format import Origin, TextFormat
from etl.source.text.lines import Lines
from etl.source.text.stream import TextStream, open_text_stream
from tests.cases import cases
from tests.examples import examples
from tests.unit.source.streams import CODECS, SUFFIX, Bytes, compress

PROJECTION = Projection(names=frozenset({"line"}), line=True)


@dataclass(frozen=True)
class Memory:
    """An Input over bytes. Keeps the streams it has opened."""

    data: bytes
    name: str = "memory"
    most: int = 1 << 30
    opened: list[Bytes] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return self.name

    @property
    def fingerprint(self) -> str:
        return self.name

    @property
    def nbytes(self) -> int:
        return len(self.data)

    def open(self) -> ByteStream:
        self.opened.append(Bytes(self.data, self.most))
        return self.opened[-1]

    def release(self, stream: ByteStream, head: bytes) -> None:
        stream.close()

    def verify_unchanged(self) -> None:
        raise SourceError(f"{self.name} has changed")


@dataclass(frozen=True)
class Headed(Lines):
    """Lines behind a first line that names their field, as CSV has it."""

    header: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.header,)

    def begin(  # type: ignore[override]  # unlike Lines it has to see a whole line
        self, head: bytes, *, final: bool, file: str
    ) -> tuple[Headed, int] | None:
        end = head.find(b"\n")
        if end < 0:
            if not final:
                return None
            raise SourceError(f"{file} has no header")
        return replace(self, header=head[:end].decode()), end + 1


def local(path: Path, codec: str | None) -> LocalFile:
    return LocalFile(find_files([str(path)])[0], codec)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def read(source: Any, block_bytes: int, *, pickled: bool = False) -> list[Batch]:
    """Read as a run does: blocks are cut here, and read by a copy of the source that came by Pipe."""
    copy = pickle.loads(pickle.dumps(source)) if pickled else source  # noqa: S301 - our own
    reader = copy.open(PROJECTION)
    return [batch for block in source.blocks(block_bytes) for batch in reader.read(block)]


def records(batches: list[Batch]) -> list[tuple[int, bytes]]:
    return [
        pair
        for batch in batches
        if batch.numbers is not None and batch.line is not None
        for pair in zip(batch.numbers.to_pylist(), batch.line.to_pylist(), strict=True)
    ]


def expected(*texts: bytes) -> list[tuple[int, bytes]]:
    lines = [line.rstrip(b"\r\n") for text in texts for line in io.BytesIO(text)]
    return list(enumerate(lines))


LINES = b"".join(b"line %d %s\n" % (number, b"x" * (number % 90)) for number in range(5000))


@cases("codec", [None, *CODECS])
@cases("block_bytes", [1, 100, 65_536, 1 << 20])
def test_a_file_gives_its_records_whatever_the_block_size(
    codec: str | None, block_bytes: int, tmp_path: Path
) -> None:
    text = LINES[: 1000 * block_bytes]
    data = text if codec is None else compress(codec, text)
    source = open_text_stream([local(write(tmp_path / "x", data), codec)], Lines())
    assert source.nbytes == len(data)
    assert records(read(source, block_bytes, pickled=True)) == expected(text)


@cases("codec", CODECS)
def test_blocks_cover_the_text_and_add_up_to_the_size_of_the_files(codec: str, tmp_path: Path) -> None:
    texts = [LINES, LINES[:1000], LINES[100:]]
    inputs = [
        local(write(tmp_path / f"{index}{SUFFIX[codec]}", compress(codec, text)), codec)
        for index, text in enumerate(texts)
    ]
    source = open_text_stream(inputs, Lines())
    blocks = list(source.blocks(5000))
    assert [block.number for block in blocks] == list(range(len(blocks)))
    assert sum(block.nbytes for block in blocks) == source.nbytes
    assert all(block.start <= block.stop for block in blocks)
    for index, text in enumerate(texts):
        mine = [block for block in blocks if block.file == index]
        assert b"".join(block.payload or b"" for block in mine) == text
        for block in mine:
            assert block.offset is not None
            assert text.startswith(block.payload or b"", block.offset)
            assert len(block.payload or b"") < 5000 * 2 + 100


@examples(1.5)
@given(
    texts=st.lists(st.lists(st.binary(max_size=60), max_size=30).map(b"\n".join), min_size=1, max_size=3),
    block_bytes=st.integers(1, 200),
    most=st.integers(1, 100),
)
def test_a_stream_gives_what_the_same_files_give(texts: list[bytes], block_bytes: int, most: int) -> None:
    stream = open_text_stream([Memory(text, most=most) for text in texts], Lines())
    with files(texts) as paths:
        ranges = open_text_files(find_files(paths), Lines())
        assert records(read(stream, block_bytes)) == records(read(ranges, block_bytes))


@contextmanager
def files(texts: list[bytes]) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(index)) for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            Path(path).write_bytes(text)
        yield paths


@cases(
    ("text", "count"),
    [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n\n", 3), (b"a\r\nb\r\n", 2)],
)
@cases("codec", CODECS)
def test_small_files_have_the_records_they_have(text: bytes, count: int, codec: str, tmp_path: Path) -> None:
    source = open_text_stream([local(write(tmp_path / "x", compress(codec, text)), codec)], Lines())
    assert len(records(read(source, 1 << 20))) == count


def test_only_the_last_scan_of_each_file_is_final() -> None:
    finals: list[bool] = []

    @dataclass(frozen=True)
    class Watched(Lines):
        def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
            finals.append(final)
            assert data
            return super().scan(data, final=final)

    source = open_text_stream([Memory(b"a\nb\nc\nd\n")], Watched())
    assert len(records(read(source, 4))) == 4
    assert finals == [False, True]


def test_a_long_record_is_scanned_a_few_times_only() -> None:
    scanned = 0

    @dataclass(frozen=True)
    class Watched(Lines):
        def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
            nonlocal scanned
            scanned += len(data)
            return super().scan(data, final=final)

    text = b"a\n" + b"x" * 1_000_000 + b"\nb\n"
    source = open_text_stream([Memory(text)], Watched())
    assert records(read(source, 1000)) == expected(text)
    assert scanned < 4 * len(text)


def test_a_beginning_without_an_end_is_refused_before_all_of_it_is_read() -> None:
    memory = Memory(bytes(10_000_000))
    with pytest.raises(SourceError, match="the beginning of memory has no end"):
        open_text_stream([memory], Headed(), max_record=100_000)
    assert memory.opened[-1].consumed < 300_000
    assert memory.opened[-1].closed


def test_each_file_has_its_own_header_which_travels_with_the_source() -> None:
    long = b"long" * 50_000
    inputs = [Memory(b"one\n1\n2\n"), Memory(long + b"\n3\n"), Memory(b"one\n")]
    source = open_text_stream(inputs, Headed())
    assert source.fields == ("one", long.decode())
    assert source.begins == (4, len(long) + 1, 4)
    assert [line for _, line in records(read(source, 1 << 20, pickled=True))] == [b"1", b"2", b"3"]


def test_files_are_closed_once_their_beginning_is_known_and_when_they_are_read() -> None:
    memory = Memory(b"a\nb\nc\n")
    source = open_text_stream([memory], Lines())
    assert [stream.closed for stream in memory.opened] == [True]
    blocks = source.blocks(1)
    next(blocks)
    assert not memory.opened[-1].closed
    blocks.close()  # type: ignore[attr-defined]
    assert [stream.closed for stream in memory.opened] == [True, True]


def test_offsets_of_rejects_are_those_of_the_text() -> None:
    source = open_text_stream([Memory(b"head\none\ntwo\nthree\nfour\n", name="x.gz")], Headed())
    reader = source.open(PROJECTION)
    blocks = list(source.blocks(9))
    assert len(blocks) > 1
    last = blocks[-1]
    assert reader.originals(last, [3]) == [Reject("x.gz", 3, 19, "", b"four")]
    reader.close()
    reader.close()


def test_rejects_of_a_block_come_with_its_place() -> None:
    @dataclass(frozen=True)
    class Strict(Lines):
        def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
            batch = super().parse(data, projection, origin)
            return replace(batch, rejects=(replace(self.originals(data, [0], origin)[0], reason="bad"),))

    source = open_text_stream([Memory(b"a\n", name="x"), Memory(b"b\nc\n", name="y")], Strict())
    batches = read(source, 2)
    assert [batch.rejects for batch in batches] == [
        (Reject("x", 0, 0, "bad", b"a"),),
        (Reject("y", 1, 0, "bad", b"b"),),
        (Reject("y", 2, 2, "bad", b"c"),),
    ]


def test_a_file_that_is_cut_short_fails_behind_its_whole_blocks(tmp_path: Path) -> None:
    data = compress("gzip", LINES)
    source = open_text_stream([local(write(tmp_path / "x.gz", data[:-20]), "gzip")], Lines())
    blocks: list[Block] = []
    with pytest.raises(SourceError, match=r"the gzip data of .*x\.gz is cut short"):
        blocks.extend(source.blocks(5000))
    assert b"".join(block.payload or b"" for block in blocks) in LINES


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gz", compress("gzip", os.urandom(500_000).hex().encode()))
    source = open_text_stream([local(path, "gzip")], Lines())
    with path.open("ab") as file:
        file.write(compress("gzip", b"more\n"))
    with pytest.raises(SourceError, match=r"x\.gz grew from"):
        list(source.blocks(1000))
    with pytest.raises(SourceError, match=r"x\.gz grew from"):
        source.verify_unchanged()


def test_every_input_is_asked_whether_it_is_unchanged() -> None:
    source = open_text_stream([Memory(b""), Memory(b"", name="other")], Lines())
    with pytest.raises(SourceError, match="memory has changed"):
        source.verify_unchanged()


class TestStandardInput:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, int]]:
        receiver, sender = os.pipe()
        yield receiver, sender
        os.close(receiver)

    @staticmethod
    def source(pipe: tuple[int, int], data: bytes, format: TextFormat) -> TextStream:
        receiver, sender = pipe
        with open(sender, "wb") as file:
            file.write(data)
        return open_text_stream([StandardInput(receiver)], format)

    @pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
    def test_a_pipe_is_read_from_its_beginning(self, pipe: tuple[int, int], block_bytes: int) -> None:
        source = self.source(pipe, b"name\n" + LINES[:3000], Headed())
        assert source.fields == ("name",)
        assert source.nbytes is None
        assert records(read(source, block_bytes, pickled=True)) == expected(LINES[:3000])

    @pytest.mark.parametrize("codec", CODECS)
    def test_compressed_data_is_told_by_its_first_bytes(self, pipe: tuple[int, int], codec: str) -> None:
        source = self.source(pipe, compress(codec, LINES[:3000]), Lines())
        assert records(read(source, 100)) == expected(LINES[:3000])

    @pytest.mark.parametrize("data", [b"", b"a", b"\x1f\x8b"])
    def test_few_bytes_are_text(self, pipe: tuple[int, int], data: bytes) -> None:
        assert records(read(self.source(pipe, data, Lines()), 100)) == expected(data)

    def test_it_can_be_read_once(self, pipe: tuple[int, int]) -> None:
        source = self.source(pipe, b"a\n", Lines())
        list(source.blocks(10))
        with pytest.raises(SourceError, match="standard input can be read only once"):
            list(source.blocks(10))

    def test_blocks_are_not_to_be_had_from_a_copy_in_another_process(self, pipe: tuple[int, int]) -> None:
        source = self.source(pipe, b"a\n", Lines())
        copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
        with pytest.raises(SourceError, match="standard input can be read only once"):
            list(copy.blocks(10))

    def test_a_redirected_file_has_a_size(self, tmp_path: Path) -> None:
        with write(tmp_path / "x", LINES).open("rb") as file:
            os.lseek(file.fileno(), 7, os.SEEK_SET)
            source = open_text_stream([StandardInput(file.fileno())], Lines())
            assert source.nbytes == len(LINES) - 7
            blocks = list(source.blocks(5000))
        assert sum(block.nbytes for block in blocks) == source.nbytes
        assert b"".join(block.payload or b"" for block in blocks) == LINES[7:]

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(SourceError, match="standard input is a folder"):
                StandardInput(descriptor)
        finally:
            os.close(descriptor)

    def test_a_closed_one_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", None)
        with pytest.raises(SourceError, match="standard input is closed"):
            StandardInput()

    def test_data_that_is_not_there_yet_is_waited_for(self, pipe: tuple[int, int]) -> None:
        receiver, sender = pipe
        os.set_blocking(receiver, False)
        waited: list[int] = []

        def select(read: list[int], write: list[int], broken: list[int]) -> None:
            waited.extend(read)
            os.write(sender, b"late\n")
            os.close(sender)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("etl.source.storage.stdin.select.select", select)
            source = open_text_stream([StandardInput(receiver)], Lines())
        assert waited == [receiver]
        assert records(read(source, 100)) == [(0, b"late")]
