"""Plans: how big a block is, which worker has which, what is wanted of a record, and what a batch gives."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.output.reject_file import RejectFile
from etl.plan import (
    BLOCK_BYTES,
    NO_FIELDS,
    SMALLEST_BLOCK_BYTES,
    Batch,
    Block,
    Plan,
    Projection,
    Reject,
    block_size,
    owner,
)
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.source.text.files import TextFiles
from etl.source.text.lines import Lines
from tests.cases import cases
from tests.unit.encode.given import batch_of
from tests.unit.given import source_of
from tests.unit.memory import PairsEncoder, plan_for


def plan_of(blocks: int, workers: int, split: str = "block") -> Plan:
    return plan_for(
        TextFiles((), (Lines(),), (0,)),
        StandaloneTarget(parse_address("redis://:s3cr3t@host")),
        blocks=tuple(Block(number, 0, number * 10, number * 10 + 10, number) for number in range(blocks)),
        workers=workers,
        split=split,
        rejects=RejectFile("rejects.jsonl"),
    )


@given(st.integers(0, 1 << 40), st.integers(1, 64))
def test_a_block_is_never_empty_and_never_over_the_limit(nbytes: int, workers: int) -> None:
    assert 1 <= block_size(nbytes, workers) <= BLOCK_BYTES


@given(st.integers(1, 1 << 40), st.integers(1, 64))
def test_an_input_has_a_block_for_every_worker_if_it_has_the_bytes(nbytes: int, workers: int) -> None:
    size = block_size(nbytes, workers)
    assert -(-nbytes // size) >= min(workers, nbytes)


@cases("workers", [1, 2, 3, 5, 8])
@cases("lines", [8, 9, 25, 100, 1000, 40_000])
@cases("width", [1, 10, 33])
def test_a_small_file_gives_every_worker_something(
    tmp_path: Path, lines: int, workers: int, width: int
) -> None:
    source = source_of(tmp_path, [b"".join(b"x" * width + b"\n" for _ in range(lines))])
    blocks = list(source.blocks(block_size(source.nbytes, workers)))
    assert {owner(block, workers) for block in blocks} == set(range(workers))


@given(st.integers(1, 1 << 30), st.integers(1, 64))
def test_a_block_is_small_only_where_else_a_worker_would_have_none(nbytes: int, workers: int) -> None:
    size = block_size(nbytes, workers)
    assert size >= SMALLEST_BLOCK_BYTES or size * workers >= nbytes - workers


def test_a_big_input_has_blocks_of_one_size_whoever_loads_it() -> None:
    assert {block_size(10 << 30, workers) for workers in (1, 2, 8, 64)} == {BLOCK_BYTES}


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_are_the_blocks_modulo_n_each_block_in_one_of_them(blocks: int, workers: int) -> None:
    plan = plan_of(blocks, workers)
    shards = [plan.shard(worker) for worker in range(workers)]
    for worker, shard in enumerate(shards):
        assert [block.number for block in shard] == list(range(worker, blocks, workers))
    together = sorted((block for shard in shards for block in shard), key=lambda b: b.number)
    assert plan.blocks is not None
    assert together == list(plan.blocks)


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


def test_of_a_stream_every_worker_is_busy_and_has_no_shard_beforehand() -> None:
    for split in ("block", "record"):
        stream = plan_for(TextFiles((), (Lines(),), (0,)), blocks=None, workers=3, split=split)
        assert stream.busy_workers() == 3
        assert stream.shard(1) == ()
        assert stream.for_worker(1) == stream


def test_a_block_says_its_size_and_shows_no_data() -> None:
    block = Block(1, 0, 10, 25, 3, payload=b"s3cr3t", skip_mask=b"s3cr3t")
    assert block.nbytes == 15
    assert "s3cr3t" not in repr(block)


def test_a_plan_shows_no_secret() -> None:
    assert "s3cr3t" not in repr(plan_of(1, 1))


BATCH = batch_of(
    {"a": [b"1", None, b"3"], "t[]": [[b"x"], [], None]},
    first=7,
    line=[b"l1", b"l2", b"l3"],
    json=[b"j1", b"j2", b"j3"],
)


def test_some_records_of_a_batch_keep_all_of_their_columns_and_leave_the_rejects() -> None:
    batch = Batch(
        BATCH.fields, BATCH.spread, BATCH.numbers, BATCH.line, BATCH.json, (Reject("f", 1, 2, "why", b""),)
    )
    assert len(batch) == 3
    some = batch.take(pa.array([2, 0]))
    assert some.fields.to_pydict() == {"a": [b"3", b"1"], "t[]": [None, [b"x"]]}
    assert some.fields.schema == batch.fields.schema
    assert (some.spread, some.rejects, len(some)) == (("a",), (), 2)
    columns = (some.numbers, some.line, some.json)
    assert [column.to_pylist() for column in columns if column is not None] == [
        [9, 7],
        [b"l3", b"l1"],
        [b"j3", b"j1"],
    ]


def test_records_without_fields_are_counted_all_the_same() -> None:
    batch = Batch(NO_FIELDS, numbers=pa.array([4, 5, 6]), rows=3)
    assert len(batch) == 3
    some = batch.take(pa.array([1]))
    assert len(some) == 1
    assert some.numbers is not None
    assert some.numbers.to_pylist() == [5]
    assert (some.line, some.json) == (None, None)
    assert len(batch.take(pa.array([], pa.int64()))) == 0


RENAMED = Projection(names=frozenset({"new", "x"}), lists=frozenset({"tags"}), rename=(("old", "new"),))


@cases(
    ("projection", "name", "wanted"),
    [
        (RENAMED, "old", True),
        (RENAMED, "new", True),  # a field that has this name itself
        (RENAMED, "x", True),
        (RENAMED, "tags", True),
        (RENAMED, "other", False),
        (Projection(), "a", False),
        (Projection(all=True), "a", True),
        (Projection(json=True), "a", True),
        (Projection(line=True), "a", False),
        (Projection(all=True, include=("a",)), "a", True),
        (Projection(all=True, include=("a",)), "b", False),
        (Projection(all=True, exclude=("a",)), "a", False),
        (Projection(all=True, exclude=("a",)), "b", True),
        (Projection(json=True, include=("a", "b"), exclude=("b",)), "b", False),
        (Projection(names=frozenset({"a"}), all=True, exclude=("a",)), "a", True),
    ],
)
def test_a_field_is_wanted_if_a_template_names_it_or_everything_is(
    projection: Projection, name: str, wanted: bool
) -> None:
    assert projection.wants(name) == wanted


def test_names_are_those_of_the_source_before_and_those_of_templates_behind_a_renaming() -> None:
    assert (RENAMED.new_name("old"), RENAMED.new_name("x")) == ("new", "x")
    assert (RENAMED.source_names("new"), RENAMED.source_names("x")) == (("old", "new"), ("x",))
    assert RENAMED.source_names("old") == ()
    everything = Projection(rename=(("a", "b"), ("b", "a")), include=("a",))
    assert (everything.new_name("a"), everything.source_names("a")) == ("b", ("b",))
    joined = Projection(rename=(("a", "c"), ("b", "c")))
    assert joined.source_names("c") == ("a", "b", "c")
    assert (everything.spreads("a"), everything.spreads("b")) == (True, False)


def test_what_a_block_is_read_with_travels() -> None:
    plan = plan_for(TextFiles((), (Lines(),), (0,)), projection=RENAMED, blocks=None, encoder=PairsEncoder(3))
    block = Block(3, 0, 1, 2, 5, payload=b"data", skip_mask=b"\x01", offset=9)
    assert pickle.loads(pickle.dumps((plan.projection, plan.encoder, block))) == (  # noqa: S301 - our own
        RENAMED,
        PairsEncoder(3),
        block,
    )
