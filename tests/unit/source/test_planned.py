"""The source of a plan: each shard has its own blocks, numbered anew, and together they have all."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

from etl.options import LoadOptions
from etl.plan import Block, Projection, Source
from etl.shards import ShardNumber
from etl.source.choose import choose_source
from etl.source.planned import PlannedSource
from tests.cases import cases

LINES = [b"line %d" % number for number in range(5_000)]


def source_of(path: Path) -> Source:
    text = b"".join(line + b"\n" for line in LINES)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return choose_source([path], LoadOptions())


@cases(("name", "count"), [("x.txt", 3), ("x.txt.gz", 3), ("x.txt", 1), ("x.txt", 200)])
def test_the_shards_read_every_record_once_under_its_number(tmp_path: Path, name: str, count: int) -> None:
    source = source_of(tmp_path / name)
    known = None if source.streamed else tuple(source.blocks(1_000))
    found: dict[int, bytes] = {}
    for index in range(count):
        shard = PlannedSource(source, known, ShardNumber(index, count))
        blocks = list(shard.blocks(1_000))
        assert [block.number for block in blocks] == list(range(len(blocks)))
        reader = pickle.loads(pickle.dumps(shard)).open(Projection(line=True))  # noqa: S301 - as it travels
        for batch in (batch for block in blocks for batch in reader.read(block)):
            numbers = batch.numbers.to_pylist()
            assert not found.keys() & set(numbers)
            found.update(zip(numbers, batch.line.to_pylist(), strict=True))
        if known is not None:
            assert shard.nbytes == sum(block.nbytes for block in blocks)
    assert found == dict(enumerate(LINES))


def test_a_worker_is_sent_no_blocks_with_the_source(tmp_path: Path) -> None:
    source = source_of(tmp_path / "x.txt")
    shard = PlannedSource(source, tuple(source.blocks(1_000)), ShardNumber(1, 2))
    assert len(pickle.dumps(shard)) < 2_000
    assert shard.whole.nbytes == source.nbytes
    assert [block.number for block in shard.whole.blocks(1_000)] == list(range(len(shard.known or ())))
    assert shard.name_of(Block(0, 0, 0, 1)) == source.name_of(Block(0, 0, 0, 1))
    shard.open(Projection()).close()
    shard.verify_unchanged()
