"""Lines: every record exactly once, its bytes as they are, whatever the bytes, the workers and the blocks."""

from __future__ import annotations

import pickle
import tempfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Block, Plan
from etl.report import Tally
from etl.source.lines import LinesSource, split_lines, strip
from etl.worker import run_shard
from tests.unit.given import files_of, lines_of
from tests.unit.memory import MemoryTarget, PairsEncoder

PIECES = [b"\n", b"\r\n", b"\r", b"", b" ", b"\t", b"a", b"word", b"\0", b"\xff\xfe", "ü€😀".encode()]
CONTENT = st.binary(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
TEXT = st.text(
    st.sampled_from("a\n\r\t \x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000\ufeff\u200b\u180e0"),
    max_size=40,
)


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\r", [b"a\r"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"\n", [b""]),
        (b"\n\n\n", [b"", b"", b""]),
        (b"\r\n", [b""]),
        (b"\r\n\r\n", [b"", b""]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\n\n", [b"a", b""]),
        (b"a\0b\n\0\n", [b"a\0b", b"\0"]),
        (b"\xff\xfe\n\xc3\n", [b"\xff\xfe", b"\xc3"]),
        (b"\xef\xbb\xbfa\n", [b"\xef\xbb\xbfa"]),
        (b" a \n\ta\n", [b" a ", b"\ta"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\n", [b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e"]),
        (b"*1\r\n$8\r\nFLUSHALL\r\n", [b"*1", b"$8", b"FLUSHALL"]),
    ],
)
def test_a_record_is_a_line_without_its_terminator(content: bytes, records: list[bytes]) -> None:
    assert split_lines(content).to_pylist() == records
    assert lines_of(content) == records  # the reference that the other tests use


@given(CONTENT.filter(len))
def test_any_bytes_are_split_as_the_reference_splits_them(content: bytes) -> None:
    lines = split_lines(content)
    assert lines.to_pylist() == lines_of(content)
    assert lines.type == pa.binary()


@given(TEXT)
@example("\x1ca\x1c")
def test_strip_is_that_of_str(text: str) -> None:
    lines = text.split("\n")
    array = pa.array([line.encode() for line in lines], pa.binary())
    assert strip(array).to_pylist() == [line.strip().encode() for line in lines]


def test_strip_takes_off_the_very_characters_that_str_takes_off() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    stripped = strip(pa.array([f"{character}.".encode() for character in characters], pa.binary()))
    assert {
        character for character, line in zip(characters, stripped.to_pylist(), strict=True) if line == b"."
    } == {character for character in characters if character.isspace()}


@pytest.mark.parametrize(
    ("line", "stripped"),
    [
        (b" \xff a \xff \n", b"\xff a \xff"),
        (b"\xc3 ", b"\xc3"),
        (b"\xc2\xa0a\xff", b"a\xff"),
        (b" a ", b"a"),
        (b" \xa0", b"\xa0"),
        (b"", b""),
    ],
)
def test_strip_keeps_bytes_that_are_no_utf8(line: bytes, stripped: bytes) -> None:
    # The second element makes Arrow refuse the batch as text, whatever the first one is.
    assert strip(pa.array([line, b"\xff"], pa.binary())).to_pylist() == [stripped, b"\xff"]


@given(
    contents=st.lists(CONTENT, min_size=1, max_size=3),
    workers=st.integers(1, 9),
    block_bytes=st.integers(1, 90),
    split=st.sampled_from(["block", "record"]),
    stripped=st.booleans(),
)
def test_every_record_is_loaded_exactly_once_in_order_with_its_number_by_its_worker(
    contents: list[bytes], workers: int, block_bytes: int, split: str, stripped: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = LinesSource(files_of(Path(folder), contents), strip=stripped)
        blocks = tuple(source.blocks(block_bytes, numbered=True))
        shards = [loaded(plan_of(source, blocks, workers, split), worker) for worker in range(workers)]
    records = [
        line.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape")
        if stripped
        else line
        for content in contents
        for line in lines_of(content)
    ]
    assert sorted(pair for shard in shards for pair in shard) == list(enumerate(records))
    for worker, shard in enumerate(shards):
        numbers = [number for number, _ in shard]
        assert numbers == sorted(numbers)
        if split == "record":
            assert numbers == list(range(worker, len(records), workers))
        else:
            assert all(block_of(number, blocks).number % workers == worker for number in numbers)


def plan_of(source: LinesSource, blocks: tuple[Block, ...], workers: int, split: str) -> Plan:
    return Plan(
        job="job",
        source=source,
        target=MemoryTarget(),
        encoder=PairsEncoder(),
        blocks=blocks,
        workers=workers,
        split=split,
        progress="none",
    )


def loaded(plan: Plan, worker: int) -> list[tuple[int, bytes]]:
    """Run a shard; give the records it sent and check that its counters say the same."""
    target = plan.target
    assert isinstance(target, MemoryTarget)
    tally = Tally([0] * Tally.size(plan.workers), plan.workers)
    run_shard(plan, worker, tally, lambda: False)
    pairs = [pair for session in target.sessions for pair in session.pairs]
    target.sessions.clear()
    assert tally.of(worker, "records_read") == tally.of(worker, "records_written") == len(pairs)
    assert tally.of(worker, "bytes_done") == sum(
        block.nbytes for block in plan.blocks if block.number % plan.workers == worker
    )
    return pairs


def block_of(record: int, blocks: tuple[Block, ...]) -> Block:
    return max((block for block in blocks if (block.first_record or 0) <= record), key=lambda b: b.number)


def test_without_numbers_a_batch_has_lines_only(tmp_path: Path) -> None:
    source = LinesSource(files_of(tmp_path, [b"a\nb\n"]))
    with closing(source.open()) as reader:
        (batch,) = [batch for block in source.blocks(10, numbered=False) for batch in reader.read(block)]
    assert batch.schema.names == ["line"]


def test_blocks_of_several_files_may_be_read_in_any_order(tmp_path: Path) -> None:
    source = LinesSource(files_of(tmp_path, [b"a\nb\n", b"c\nd\n"]))
    blocks = list(source.blocks(2, numbered=True))
    with closing(source.open()) as reader:
        for block in (*reversed(blocks), *blocks):
            (batch,) = reader.read(block)
            assert batch.column("line").to_pylist() == [b"abcd"[block.number : block.number + 1]]
            assert batch.column("#").to_pylist() == [block.number]
            assert source.name_of(block).endswith(f"part-{block.file}.txt")


def test_a_reader_may_be_closed_twice_and_before_it_has_read(tmp_path: Path) -> None:
    source = LinesSource(files_of(tmp_path, [b"a\n"]))
    reader = source.open()
    reader.close()
    list(reader.read(next(source.blocks(10, numbered=True))))
    reader.close()
    reader.close()


def test_a_source_says_its_size_and_pickles(tmp_path: Path) -> None:
    source = LinesSource(files_of(tmp_path, [b"abc\n", b"", b"de"]), strip=True)
    assert source.nbytes == 6
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 - our own


def test_a_change_of_any_file_is_noticed_at_the_end(tmp_path: Path) -> None:
    source = LinesSource(files_of(tmp_path, [b"abc\n", b"de"]))
    source.verify_unchanged()
    (tmp_path / "part-1.txt").write_bytes(b"def")
    with pytest.raises(SourceError, match=r"part-1\.txt grew"):
        source.verify_unchanged()
