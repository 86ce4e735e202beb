"""Text files: blocks cover them, each byte once, in order; every record once, whoever reads what."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Block, Plan, Projection, Reject
from etl.report import RejectLimit
from etl.source.csv.format import Csv
from etl.source.json.lines import Jsonl
from etl.source.storage.local import find_files
from etl.source.text import files as text_files
from etl.source.text.files import TextFiles, open_text_files
from etl.source.text.format import BrokenTextError, TextFormat
from etl.source.text.lines import Lines
from etl.worker.run_shard import run_shard
from tests.cases import cases
from tests.examples import examples
from tests.unit.given import files_of, lines_of, source_of
from tests.unit.memory import MemoryTarget, Pair, RejectList, Told, plan_for, tally_of

PIECES = [b"\n", b"\r\n", b"\r", b" ", b"a", b"word", b"\0", b"\xff\xfe", "ü€😀".encode()]
CONTENT = st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
CONTENTS = st.lists(CONTENT, min_size=1, max_size=3)

RECORDS = [b"{}", b'{"a":1}', b'{"a":"\\n\xc3\xbc"}', b"{", b"nonsense", b"", b" "]
FIELDS = [b"a", b'"', b'""', b",", b"\n", b"\r\n", b'"a,\nb"', b"\xff", b" ", b"x,y\n"]
MARK = st.sampled_from([b"", b"\xef\xbb\xbf"])


def files_with(pieces: list[bytes], between: bytes) -> st.SearchStrategy[list[bytes]]:
    file = st.tuples(MARK, st.lists(st.sampled_from(pieces), max_size=12).map(between.join)).map(b"".join)
    return st.lists(file, min_size=1, max_size=3)


@contextmanager
def opened(contents: list[bytes], format: TextFormat | None = None) -> Iterator[TextFiles]:
    with tempfile.TemporaryDirectory() as folder:
        yield source_of(Path(folder), contents, format)


def blocks_of(contents: list[bytes], block_bytes: int) -> list[Block]:
    with opened(contents) as source:
        return list(source.blocks(block_bytes))


@given(CONTENTS, st.integers(1, 70))
def test_blocks_cover_every_file_once_and_end_at_line_breaks(contents: list[bytes], block_bytes: int) -> None:
    blocks = blocks_of(contents, block_bytes)
    assert [block.number for block in blocks] == list(range(len(blocks)))
    for index, content in enumerate(contents):
        own = [block for block in blocks if block.file == index]
        assert b"".join(content[block.start : block.stop] for block in own) == content
        assert all(before.stop == after.start for before, after in pairwise(own))
        assert all(block.start < block.stop for block in own)
        assert all(content[block.stop - 1] == ord("\n") for block in own[:-1])
    assert [block.file for block in blocks] == sorted(block.file for block in blocks)


@given(CONTENTS, st.integers(1, 70))
def test_a_block_knows_the_number_of_its_first_record_through_all_files(
    contents: list[bytes], block_bytes: int
) -> None:
    number = 0
    for block in blocks_of(contents, block_bytes):
        assert block.first_record == number
        number += len(lines_of(contents[block.file][block.start : block.stop]))
    assert number == sum(len(lines_of(content)) for content in contents)


@given(CONTENTS, st.integers(1, 70))
@example([b"a long line\n" + b"b\n" * 9], 4)
def test_a_block_is_all_the_lines_that_fit_its_size_or_one_that_does_not(
    contents: list[bytes], block_bytes: int
) -> None:
    for block in blocks_of(contents, block_bytes):
        content = contents[block.file]
        next_line = content.find(b"\n", block.stop) + 1 or len(content)
        if block.nbytes <= block_bytes:
            assert block.stop == len(content) or next_line - block.start > block_bytes
        else:
            first_line = content.find(b"\n", block.start) + 1 or len(content)
            assert first_line - block.start > block_bytes


@cases("end", [b"", b"\n", b"\n\n"])
@cases("block_bytes", [1, 2, 7, 20, 64, 1000])
def test_a_line_longer_than_what_is_looked_at_at_once_is_found_whole(end: bytes, block_bytes: int) -> None:
    content = b"a\n" + b"b" * 50 + b"\n" + b"c" * 21 + b"\n\n" + b"d" * 14 + end
    blocks = blocks_of([content], block_bytes)
    assert b"".join(content[block.start : block.stop] for block in blocks) == content
    assert [block.first_record for block in blocks] == [
        len(lines_of(content[: block.start])) for block in blocks
    ]
    assert all(content[block.stop - 1] == ord("\n") for block in blocks[:-1])


def test_an_empty_file_has_no_block() -> None:
    assert blocks_of([b""], 10) == []
    blocks = blocks_of([b"", b"a\n", b"", b"b"], 10)
    assert [(block.number, block.file) for block in blocks] == [(0, 1), (1, 3)]


def test_a_file_that_changed_since_it_was_found_is_noticed(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a\nb\n"])
    Path(source.files[0].path).write_bytes(b"a\nb\nc\n")
    with pytest.raises(SourceError, match="grew from 4 to 6 bytes"):
        list(source.blocks(2))


@examples(2.5)
@given(
    contents=CONTENTS,
    workers=st.integers(1, 9),
    block_bytes=st.integers(1, 90),
    split=st.sampled_from(["block", "record"]),
    stripped=st.booleans(),
)
@example(contents=[b"a\n\nb", b"", b"c\r\n"], workers=2, block_bytes=1, split="record", stripped=False)
@example(contents=[b"\n" * 9], workers=3, block_bytes=2, split="block", stripped=True)
def test_every_line_is_loaded_exactly_once_in_order_with_its_number_by_its_worker(
    contents: list[bytes], workers: int, block_bytes: int, split: str, stripped: bool
) -> None:
    with opened(contents, Lines(strip=stripped)) as source:
        plan = plan_for(source, block_bytes=block_bytes, workers=workers, split=split)
        shards = [loaded(plan, worker).pairs for worker in range(workers)]
    records = [
        line.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape")
        if stripped
        else line
        for content in contents
        for line in lines_of(content)
    ]
    assert sorted(pair for shard in shards for pair in shard) == list(enumerate(records))
    for worker, shard in enumerate(shards):
        require_own(plan, worker, [number for number, _ in shard], len(records))


OTHERS: list[tuple[TextFormat, list[bytes], bytes]] = [
    (Jsonl(), RECORDS, b"\n"),
    (Jsonl(), RECORDS, b"\r\n"),
    (Csv(",", '"', ("a", "b")), FIELDS, b""),
    (Csv(",", '"', ("a", "b")), FIELDS, b"\n"),
]


@pytest.mark.parametrize(("format", "pieces", "between"), OTHERS)
@examples(0.5)
@given(data=st.data(), workers=st.integers(1, 5), block_bytes=st.integers(1, 40), by_record=st.booleans())
def test_every_record_of_any_text_is_loaded_or_rejected_once_whatever_the_blocks(
    format: TextFormat,
    pieces: list[bytes],
    between: bytes,
    data: st.DataObject,
    workers: int,
    block_bytes: int,
    by_record: bool,
) -> None:
    contents = data.draw(files_with(pieces, between))
    with opened(contents, format) as source:
        whole = plan_for(source)
        cut = plan_for(
            source, block_bytes=block_bytes, workers=workers, split="record" if by_record else "block"
        )
        (reference,) = [loaded(whole, 0)]
        shards = [loaded(cut, worker) for worker in range(workers)]
    numbers = sorted(reference.numbers)
    assert numbers == list(range(len(numbers)))
    assert sorted(pair for shard in shards for pair in shard.pairs) == reference.pairs
    rejects = [reject for shard in shards for reject in shard.rejects]
    assert sorted(rejects, key=lambda reject: reject.record or 0) == reference.rejects
    assert all(reject.reason for reject in rejects)
    for worker, shard in enumerate(shards):
        require_own(cut, worker, sorted(shard.numbers), len(numbers))
        assert [number for number, _ in shard.pairs] == sorted(number for number, _ in shard.pairs)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one worker has sent, and what it has refused."""

    pairs: list[Pair]
    rejects: list[Reject]

    @property
    def numbers(self) -> list[int]:
        rejected = [reject.record for reject in self.rejects if reject.record is not None]
        assert len(rejected) == len(self.rejects)
        return [*(number for number, _ in self.pairs), *rejected]


def loaded(plan: Plan, worker: int) -> Loaded:
    """Run a shard; check that its counters say what was sent and refused."""
    target, sink = MemoryTarget(), RejectList()
    counters = tally_of(plan.workers)
    parts = {name: getattr(plan, name) for name in ("blocks", "workers", "split")}
    own = plan_for(plan.source, target, **parts, rejects=sink, reject_limit=RejectLimit(percent=100))
    run_shard(own, worker, counters, Told())
    assert counters.of(worker, "records_written") == len(target.pairs)
    assert counters.of(worker, "records_rejected") == len(sink.rejects)
    assert counters.of(worker, "records_read") == len(target.pairs) + len(sink.rejects)
    assert plan.blocks is not None
    assert counters.of(worker, "bytes_done") == sum(
        block.nbytes for block in plan.blocks if block.number % plan.workers == worker
    )
    return Loaded(target.pairs, sink.rejects)


def require_own(plan: Plan, worker: int, numbers: list[int], records: int) -> None:
    """Require that a worker had the records of its shard, in order, and all of them."""
    assert plan.blocks is not None
    firsts = [block.first_record or 0 for block in plan.blocks] + [records]
    owned = [
        number
        for block in plan.blocks
        for number in range(firsts[block.number], firsts[block.number + 1])
        if (block.number if plan.split == "block" else number) % plan.workers == worker
    ]
    assert numbers == owned


@dataclass(frozen=True, slots=True)
class Framed:
    """A format whose files begin with a frame up to the first ``]``; ``head`` is what it was."""

    head: bytes = b""

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.head.decode(), "common")

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[Framed, int] | None:
        end = head.find(b"]") + 1
        if not end:
            if final:
                raise SourceError(f"{file} has no frame")
            return None
        return Framed(head[: end - 1]), end

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        if b"!" in data:
            raise BrokenTextError("there is no end to it", data.index(b"!"))
        return Lines().scan(data, final=final)

    end_of_long = Lines.end_of_long
    parse = Lines.parse
    originals = Lines.originals
    strip = False


def test_each_file_has_a_beginning_of_its_own_which_is_in_no_block(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"x]a\nb\n", b"yy]", b"x]c"], Framed())
    assert source.formats == (Framed(b"x"), Framed(b"yy"), Framed(b"x"))
    assert source.begins == (2, 3, 2)
    assert source.fields == ("x", "common", "yy")
    assert [(b.file, b.start, b.stop, b.first_record) for b in source.blocks(9)] == [
        (0, 2, 6, 0),
        (2, 2, 3, 2),
    ]


def test_a_beginning_longer_than_the_first_look_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_HEAD_BYTES", 2)
    source = source_of(tmp_path, [b"a frame of some length]a\n", b"]"], Framed())
    assert source.begins == (23, 1)
    with pytest.raises(SourceError, match=r"part-0\.txt has no frame"):
        source_of(tmp_path, [b"no frame at all"], Framed())


def test_where_one_files_records_tell_their_own_fields_nobody_knows_all_of_them(tmp_path: Path) -> None:
    files = files_of(tmp_path, [b"a", b"b"])
    assert TextFiles(files, (Lines(), Jsonl()), (0, 0)).fields is None
    assert open_text_files(files, Lines()).fields == ("line",)


def test_where_records_can_no_longer_be_told_apart_the_file_and_the_byte_are_named(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"]a\nb\nc\nd!\n"], Framed())
    with pytest.raises(SourceError) as caught:
        list(source.blocks(4))
    assert str(caught.value) == f"{tmp_path}/part-0.txt: at byte 8 there is no end to it"
    assert type(caught.value) is SourceError


def test_blocks_of_several_files_may_be_read_in_any_order(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a\nb\n", b"c\nd\n"])
    blocks = list(source.blocks(2))
    with closing(source.open(Projection(names=frozenset({"line"})))) as reader:
        for block in (*reversed(blocks), *blocks):
            (batch,) = reader.read(block)
            assert batch.fields.column("line").to_pylist() == [b"abcd"[block.number : block.number + 1]]
            assert batch.numbers is not None
            assert batch.numbers.to_pylist() == [block.number]
            assert source.name_of(block).endswith(f"part-{block.file}.txt")


def test_the_original_of_a_record_says_where_it_stands(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a\n", b"b\r\ncc\nd"])
    blocks = list(source.blocks(100))
    with closing(source.open(Projection())) as reader:
        name = source.files[1].path
        assert reader.originals(blocks[1], [1]) == [Reject(name, 1, 0, "", b"b")]
        assert reader.originals(blocks[1], [2, 3]) == [
            Reject(name, 2, 3, "", b"cc"),
            Reject(name, 3, 6, "", b"d"),
        ]
        assert reader.originals(blocks[0], [0]) == [Reject(source.files[0].path, 0, 0, "", b"a")]


def test_a_reader_may_be_closed_twice_and_before_it_has_read(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a\n"])
    reader = source.open(Projection())
    reader.close()
    list(reader.read(next(source.blocks(10))))
    reader.close()
    reader.close()


def test_a_source_says_its_size_and_pickles(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"abc\n", b"", b"de"], Lines(strip=True))
    assert source.nbytes == 6
    assert not source.streamed
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 - our own


def test_a_source_is_named_by_the_real_paths_of_its_files(tmp_path: Path) -> None:
    (real,) = files_of(tmp_path, [b"a\n"])
    (tmp_path / "link").symlink_to(real.path)
    by_link = open_text_files(find_files([str(tmp_path / "link")]), Lines())
    assert by_link.names == (str(Path(real.path).resolve()),)
    assert by_link.files[0].path.endswith("link")


def test_a_change_of_any_file_is_noticed_at_the_end(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"abc\n", b"de"])
    source.verify_unchanged()
    (tmp_path / "part-1.txt").write_bytes(b"def")
    with pytest.raises(SourceError, match=r"part-1\.txt grew"):
        source.verify_unchanged()
