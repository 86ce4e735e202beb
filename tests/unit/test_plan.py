"""Plans: how big a block is, and which worker has which."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.mset import MsetEncoder
from etl.plan import BLOCK_BYTES, Block, Plan, block_size, owner
from etl.source.lines import LinesSource
from etl.target.address import parse_address
from etl.target.standalone import StandaloneTarget
from tests.unit.given import VALUE, files_of, template


def plan_of(blocks: int, workers: int, split: str = "block") -> Plan:
    return Plan(
        job="job",
        source=LinesSource(()),
        target=StandaloneTarget(parse_address("redis://:s3cr3t@host")),
        encoder=MsetEncoder(template("{#}"), VALUE),
        blocks=tuple(Block(number, 0, number * 10, number * 10 + 10, number) for number in range(blocks)),
        workers=workers,
        split=split,
        progress="none",
    )


@given(st.integers(0, 1 << 40), st.integers(1, 64))
def test_a_block_is_never_empty_and_never_over_the_limit(nbytes: int, workers: int) -> None:
    assert 1 <= block_size(nbytes, workers) <= BLOCK_BYTES


@given(st.integers(1, 1 << 40), st.integers(1, 64))
def test_an_input_has_a_block_for_every_worker_if_it_has_the_bytes(nbytes: int, workers: int) -> None:
    size = block_size(nbytes, workers)
    assert -(-nbytes // size) >= min(workers, nbytes)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("lines", [8, 9, 25, 100, 1000, 40_000])
@pytest.mark.parametrize("width", [1, 10, 33])
def test_a_small_file_gives_every_worker_something(
    tmp_path: Path, lines: int, workers: int, width: int
) -> None:
    files = files_of(tmp_path, [b"".join(b"x" * width + b"\n" for _ in range(lines))])
    source = LinesSource(files)
    blocks = list(source.blocks(block_size(source.nbytes, workers), numbered=False))
    assert {owner(block, workers) for block in blocks} == set(range(workers))


def test_a_big_input_has_blocks_of_one_size_whoever_loads_it() -> None:
    assert {block_size(10 << 30, workers) for workers in (1, 2, 8, 64)} == {BLOCK_BYTES}


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_are_the_blocks_modulo_n_each_block_in_one_of_them(blocks: int, workers: int) -> None:
    plan = plan_of(blocks, workers)
    shards = [plan.shard(worker) for worker in range(workers)]
    for worker, shard in enumerate(shards):
        assert [block.number for block in shard] == list(range(worker, blocks, workers))
    assert sorted((block for shard in shards for block in shard), key=lambda b: b.number) == list(plan.blocks)


@given(st.integers(0, 40), st.integers(1, 9))
def test_split_by_record_has_every_worker_visit_every_block(blocks: int, workers: int) -> None:
    plan = plan_of(blocks, workers, "record")
    assert all(plan.shard(worker) == plan.blocks for worker in range(workers))


@given(st.integers(0, 40), st.integers(1, 9), st.sampled_from(["block", "record"]))
def test_busy_workers_are_those_with_a_shard_and_come_first(blocks: int, workers: int, split: str) -> None:
    plan = plan_of(blocks, workers, split)
    busy = plan.busy_workers()
    assert all(plan.shard(worker) for worker in range(busy))
    assert not any(plan.shard(worker) for worker in range(busy, workers))


@given(st.integers(0, 40), st.integers(1, 9), st.sampled_from(["block", "record"]))
def test_what_travels_to_a_worker_holds_its_own_shard_and_gives_it_again(
    blocks: int, workers: int, split: str
) -> None:
    plan = plan_of(blocks, workers, split)
    for worker in range(workers):
        travelled: Plan = pickle.loads(pickle.dumps(plan.for_worker(worker)))  # noqa: S301 - our own
        assert travelled.blocks == plan.shard(worker)
        assert travelled.shard(worker) == plan.shard(worker)
        assert travelled.workers == workers


def test_a_plan_shows_no_secret() -> None:
    assert "s3cr3t" not in repr(plan_of(1, 1))
