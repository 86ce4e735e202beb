"""Each key is written once: which records are passed over, found by passes over the keys."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.dedupe import repeats, winners
from etl.dedupe.winners import Keeps
from etl.encode.choose import type_named
from etl.encode.key_hash import hashes_of
from etl.encode.mapping import RecordMapping
from etl.encode.strategies import key_hashes
from etl.encode.strategies.mset import MsetEncoder
from etl.errors import EtlError, InterruptedRunError, SourceError, TargetError, UsageError
from etl.job.state import PrepassResult
from etl.options import LoadOptions
from etl.pipeline import settle_keys as settling
from etl.pipeline.execution import Run
from etl.pipeline.settle_keys import ADVICE_TO_GROUP, refuse_memory, settle_keys, write_keys_once
from etl.plan import Plan, Projection, Source
from etl.report import Counters, RejectLimit
from etl.run.signals import StopSignals
from etl.source.json.lines import Jsonl
from etl.source.text.files import TextFilesReader
from etl.worker.messages import Failed, ShardResult
from etl.worker.run_shard import run_shard
from tests.cases import cases
from tests.examples import examples
from tests.unit.encode.given import template
from tests.unit.encode.model import Model
from tests.unit.given import source_of
from tests.unit.memory import ModelTarget, plan_for, tally_of

KEY, VALUE = template("k:{id}"), template("{v}")
LOAD = MsetEncoder(KEY, VALUE)
PROJECTION = Projection(names=frozenset(("id", "v")))
MEMORY = 1 << 20

Record = tuple[str | None, str | None]
"""An id and a value; None: the record has no such field."""


class EveryShard:
    """A Runner that carries out all shards one after the other, whatever ``before`` does first."""

    def __init__(self, before: Callable[[Plan], None] = lambda plan: None) -> None:
        self.plans: list[Plan] = []
        self.ended = 0
        self._before = before

    def counters(self, workers: int) -> Counters:
        return tally_of(workers)

    def run(self, plan: Plan, counters: Counters, signals: StopSignals) -> list[ShardResult]:
        self.plans.append(plan)
        self._before(plan)
        results: list[ShardResult] = []
        for worker in range(plan.workers):
            try:
                results.append(run_shard(plan, worker, counters, signals))
            except EtlError as error:
                results.append(Failed(worker, 0.0, error))
        self.ended += 1
        return results


def jsonl(folder: Path, *files: Sequence[Record]) -> Source:
    texts = []
    for records in files:
        objects = [{"id": id_, "v": v} for id_, v in records]  # null: there is no such field
        texts.append(b"".join(json.dumps(one).encode() + b"\n" for one in objects))
    return source_of(folder, texts, Jsonl())


def run_of(source: Source, target: Any = None, runner: EveryShard | None = None, **parts: Any) -> Run:
    plan = plan_for(
        source,
        ModelTarget() if target is None else target,
        **{"encoder": LOAD, "single": LOAD, "projection": PROJECTION, "block_bytes": 150, **parts},
    )
    return Run(plan, runner or EveryShard(), StopSignals(), tally_of(plan.workers))


def settled(run: Run, folder: Path, keeps: Keeps, memory: int = MEMORY, **more: Any) -> PrepassResult:
    spilled = folder / "keys"
    try:
        return settle_keys(run, KEY, keeps=keeps, folder=str(spilled), memory=memory, **more)
    finally:
        assert not spilled.exists()


def loaded(run: Run, passed: PrepassResult) -> tuple[dict[bytes, bytes], Counters]:
    """Load what is not passed over, each record by a command of its own; return the keys."""
    model = Model()
    assert run.plan.blocks is not None
    blocks = tuple(replace(block, skip_mask=passed.present.get(block.number)) for block in run.plan.blocks)
    plan = replace(run.plan, blocks=blocks, target=ModelTarget(model), reject_limit=RejectLimit(percent=100))
    run = replace(run, plan=plan, counters=tally_of(plan.workers))
    run.results()
    return model.keys, run.counters


IDS = st.sampled_from([None, "", "a", "b", "c", "aa", "é", "a" * 150])
RECORDS = st.lists(st.tuples(IDS, st.one_of(st.none(), st.text("xyz", max_size=3))), max_size=40)


def four_bits(keys: pa.Array) -> pa.Array:
    return pc.bit_wise_and(hashes_of(keys), pa.scalar(0xF << 60, pa.uint64()))


@given(
    st.lists(RECORDS, min_size=1, max_size=3),
    st.sampled_from(["block", "record"]),
    st.integers(1, 4),
    st.sampled_from([1, 3000, MEMORY]),
    st.sampled_from([hashes_of, four_bits]),
)
@examples(2)
def test_the_records_that_stay_are_those_that_a_dict_would_keep(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[Record]],
    split: str,
    workers: int,
    memory: int,
    hashes: Callable[[pa.Array], pa.Array],
) -> None:
    folder = tmp_path_factory.mktemp("settled")
    run = run_of(jsonl(folder, *files), split=split, workers=workers)
    records = [record for records in files for record in records]
    good = [(f"k:{id_}".encode(), v.encode()) for id_, v in records if id_ and v is not None]
    first = dict(reversed(good))
    last = dict(good)
    again = [key for place, (key, _) in enumerate(good) if key in dict(good[:place])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_hashes, "hashes_of", hashes)
        patch.setattr(repeats, "_MIN_ROWS", 4)
        patch.setattr(winners, "_MIN_BYTES", 100)
        for keeps, keys in (("last", last), ("first", first)):
            passed = settled(run, folder, keeps, memory)  # type: ignore[arg-type]
            assert (passed.superseded, passed.skipped) == (
                (len(again), 0) if keeps == "last" else (0, len(again))
            )
            assert passed.rejected == 0
            found, counters = loaded(run, passed)
            assert found == keys
            assert counters.total("records_written") == len(keys)
            assert counters.total("records_rejected") == len(records) - len(good)
            assert counters.total("records_read") + len(again) == len(records)
        if again:
            with pytest.raises(SourceError, match=f"has the key {again[0].decode()[:90]}"):
                settled(run, folder, "none", memory)
        else:
            assert settled(run, folder, "none", memory) == PrepassResult()
    assert not any(run.counters.slots)


def test_keys_that_are_unique_are_read_once_and_for_their_fields_alone(tmp_path: Path) -> None:
    runner = EveryShard()
    run = run_of(jsonl(tmp_path, [(str(number), "x") for number in range(50)]), runner=runner, workers=2)
    assert settled(run, tmp_path, "last") == PrepassResult()
    (plan,) = runner.plans
    assert plan.projection == Projection(names=frozenset({"id"}))
    assert plan.preliminary
    assert plan.blocks == run.plan.blocks


def test_only_blocks_with_suspects_are_read_again(tmp_path: Path) -> None:
    runner = EveryShard()
    records = [(str(number), "x" * 40) for number in range(20_000)]
    records[19_000] = ("3", "y")
    run = run_of(jsonl(tmp_path, records), runner=runner, block_bytes=20_000)
    passed = settled(run, tmp_path, "last")
    assert (passed.superseded, passed.present) == (1, {0: b"\x08"})
    every, again = (plan.blocks or () for plan in runner.plans)
    assert 0 < len(again) < len(every) // 2
    assert runner.plans[1].projection == PROJECTION


@cases(
    ("kind", "if_exists", "expected"),
    [
        ("string", "replace", PrepassResult(superseded=1, present={0: b"\x01"})),
        ("string", "skip", PrepassResult(skipped=1, present={0: b"\x02"})),
        ("string", "fail", "give --if-exists replace"),
        ("set", "replace", "GROUP BY key"),
        ("set", "skip", "GROUP BY key"),
    ],
)
def test_what_becomes_of_records_with_one_key_is_as_the_type_and_if_exists_say(
    tmp_path: Path, kind: str, if_exists: str, expected: PrepassResult | str
) -> None:
    run = run_of(jsonl(tmp_path, [("a", "1"), ("a", "2")]))
    mapping = RecordMapping(kind, type_named(kind), KEY, VALUE, template("1"), None, if_exists)
    folder = str(tmp_path / "keys")
    if isinstance(expected, PrepassResult):
        assert write_keys_once(run, mapping, folder=folder, memory=MEMORY) == expected
        return
    with pytest.raises(SourceError, match=expected):
        write_keys_once(run, mapping, folder=folder, memory=MEMORY)


def test_memory_is_refused_where_a_key_may_be_written_twice() -> None:
    for options in (
        LoadOptions(to="rdb:x"),
        LoadOptions(to="rdb:x", memory="2MB"),
        LoadOptions(to="redis://host"),
        LoadOptions(to="redis://host", memory="256MB"),
    ):
        refuse_memory(options)
    with pytest.raises(UsageError, match=r"has no effect here: .* --to rdb:FILE, .* and --wire replication"):
        refuse_memory(LoadOptions(to="redis://host", memory="2MB"))


def test_keys_that_are_unique_by_themselves_are_not_looked_at(tmp_path: Path) -> None:
    runner = EveryShard()
    run = run_of(jsonl(tmp_path, [("1", "x")]), runner=runner)
    assert (
        settle_keys(run, template("{id}:{#}"), keeps="none", folder="/nowhere/at/all", memory=1)
        == PrepassResult()
    )
    assert not runner.plans


def test_a_stream_cannot_be_looked_at_before_it_is_read(tmp_path: Path) -> None:
    run = run_of(jsonl(tmp_path, [("1", "x")]), blocks=None)
    with pytest.raises(UsageError, match=r"--key 'k:\{id\}': .*give a file, or put \{#\} into --key"):
        settled(run, tmp_path, "last")


def test_a_repeated_key_that_must_not_be_is_named_with_its_two_records(tmp_path: Path) -> None:
    records: list[Record] = [("a", "1"), ("b", None), ("b", "2"), ("b", "3"), ("a", "4")]
    run = run_of(jsonl(tmp_path, records, [("c", "5"), ("c", "6")]))
    with pytest.raises(SourceError) as caught:
        settled(run, tmp_path, "none")
    file = tmp_path / "part-0.txt"
    assert str(caught.value) == (
        f"record 3 of {file} has the key k:b, and so has record 2: each key can be there once; give"
        " --if-exists replace (the last record of a key stays) or skip (the first one stays)"
    )
    run = run_of(jsonl(tmp_path, records[:1], records[:1]))
    with pytest.raises(SourceError, match=rf"so has record 0 of {file}: .*--sql .SELECT .* GROUP BY key"):
        settled(run, tmp_path, "none", advice=ADVICE_TO_GROUP)


def test_a_long_key_is_cut_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the key k:x{98}\.\.\., and so"):
        settled(run_of(jsonl(tmp_path, [("x" * 200, "1")] * 2)), tmp_path, "none")


def test_what_a_killed_run_has_left_in_the_folder_is_no_part_of_this_one(tmp_path: Path) -> None:
    spilled = tmp_path / "keys"
    spilled.mkdir()
    (spilled / "hashes-redis-etl-7.spilled").write_bytes(b"torn")
    assert settled(run_of(jsonl(tmp_path, [("a", "1"), ("a", "2")])), tmp_path, "last").superseded == 1


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    run = run_of(jsonl(tmp_path, [("a", "1")]))
    with pytest.raises(TargetError, match="keys: File exists"):
        settle_keys(run, KEY, keeps="last", folder=str(tmp_path / "keys"), memory=1)


def test_a_file_that_cannot_be_read_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object) -> bytes:
        raise OSError(errno.EIO, "bad disk")

    for name in ("find_repeats", "losers"):
        monkeypatch.setattr(settling, name, failing)
        with pytest.raises(TargetError, match=f"keys: {os.strerror(errno.EIO)}: there has to be room"):
            settled(run_of(jsonl(tmp_path, [("a", "1")] * 2)), tmp_path, "last")
        monkeypatch.undo()


def test_keys_are_for_their_owner_alone_to_read(tmp_path: Path) -> None:
    modes: list[int] = []
    runner = EveryShard(lambda plan: modes.append(os.stat(tmp_path / "keys").st_mode & 0o777))
    settled(run_of(jsonl(tmp_path, [("a", "1")] * 2), runner=runner), tmp_path, "last")
    assert modes == [0o700, 0o700]


def test_what_ends_a_pass_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(jsonl(tmp_path, [("a", "1")] * 2))
    run.signals.received.append(15)
    with pytest.raises(InterruptedRunError):
        settled(run, tmp_path, "last")

    def gone(reader: TextFilesReader, block: Any) -> Any:
        raise SourceError("gone")

    monkeypatch.setattr(TextFilesReader, "read", gone)
    with pytest.raises(SourceError, match="gone"):
        settled(run_of(jsonl(tmp_path, [("a", "1")] * 2)), tmp_path, "last")


def test_a_signal_is_heard_between_the_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = EveryShard()
    run = run_of(jsonl(tmp_path, [("a", "1")] * 2), runner=runner)
    monkeypatch.setattr(StopSignals, "stopping", property(lambda signals: runner.ended > 0))
    monkeypatch.setattr(StopSignals, "error", lambda signals: InterruptedRunError("stopped", 15))
    with pytest.raises(InterruptedRunError):
        settled(run, tmp_path, "last")
    assert len(runner.plans) == 1
