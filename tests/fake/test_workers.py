"""Real worker processes: every key is there with its value, and each worker loaded its own units."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.options import START_METHODS
from etl.plan import Block, block_size
from etl.source.storage.local import find_files
from etl.source.text.files import open_text_files
from etl.source.text.lines import Lines
from tests.fake.loaded import (
    all_of,
    keys_by_worker,
    numbered,
    report_of,
    report_of_process,
    some_lines,
    write,
)
from tests.support import FakeServer, RecordingProxy

WORKERS = (1, 2, 3, 8)


def blocks_of(path: Path, workers: int) -> list[Block]:
    source = open_text_files(find_files([str(path)]), Lines())
    return list(source.blocks(block_size(source.nbytes, workers)))


def owned(blocks: list[Block], records: int, worker: int, workers: int, split: str) -> list[int]:
    """Return the numbers of the records that are a worker's: unit k belongs to worker k % N."""
    if split == "record":
        return list(range(worker, records, workers))
    stops = [block.first_record or 0 for block in blocks[1:]] + [records]
    return [
        number
        for block, stop in zip(blocks, stops, strict=True)
        if block.number % workers == worker
        for number in range(block.first_record or 0, stop)
    ]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("split", ["block", "record"])
def test_every_key_is_loaded_by_the_worker_that_owns_its_unit(
    tmp_path: Path, fake_server: FakeServer, workers: int, split: str
) -> None:
    lines = some_lines(900)
    path = write(tmp_path / "train.txt", lines)
    with RecordingProxy(fake_server.port) as proxy:
        argv = ("load", path, "--to", proxy.url, "--workers", str(workers), "--split", split)
        report = report_of_process(*argv, "--key", "train:{#}")
        sent = keys_by_worker(proxy)
    assert all_of(fake_server.client()) == numbered(lines, b"train:")

    assert set(sent) == {"redis-etl", *(f"redis-etl-{worker}" for worker in range(workers))}
    assert sent.pop("redis-etl") == []
    blocks = blocks_of(path, workers)
    for worker in range(workers):
        expected = owned(blocks, len(lines), worker, workers, split)
        assert expected
        assert sent[f"redis-etl-{worker}"] == expected

    assert report["status"] == "complete"
    assert report["records"] == {"read": 900, "written": 900, "skipped": 0, "rejected": 0}
    assert report["bytes"] == path.stat().st_size
    assert [worker["records"] for worker in report["workers"]] == [
        len(sent[f"redis-etl-{worker}"]) for worker in range(workers)
    ]
    if split == "block":
        assert sum(worker["blocks"] for worker in report["workers"]) == len(blocks)


@pytest.mark.parametrize("split", ["block", "record"])
def test_verify_reads_with_the_same_workers(tmp_path: Path, fake_server: FakeServer, split: str) -> None:
    lines = some_lines(900)
    path = write(tmp_path / "train.txt", lines)
    report_of("load", path, "--to", fake_server.url, "--workers", "1")
    with RecordingProxy(fake_server.port) as proxy:
        argv = ("verify", path, "--to", proxy.url, "--workers", "3", "--split", split)
        report = report_of(*argv)
        sent = keys_by_worker(proxy)
    assert report["records"] == {"read": 900, "equal": 900, "missing": 0, "different": 0, "rejected": 0}
    blocks = blocks_of(path, 3)
    for worker in range(3):
        assert sent[f"redis-etl-{worker}"] == owned(blocks, len(lines), worker, 3, split)


@pytest.mark.parametrize("method", START_METHODS)
def test_every_start_method_loads_the_same(tmp_path: Path, fake_server: FakeServer, method: str) -> None:
    lines = some_lines(300)
    path = write(tmp_path / "train.txt", lines)
    report_of_process("load", path, "--to", fake_server.url, "--workers", "3", "--start-method", method)
    assert all_of(fake_server.client()) == numbered(lines)


def test_a_source_of_one_block_is_loaded_without_more_processes(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    path = write(tmp_path / "one.txt", [b"a"])
    with RecordingProxy(fake_server.port) as proxy:
        report = report_of("load", path, "--to", proxy.url, "--workers", "8")
        assert set(keys_by_worker(proxy)) == {"redis-etl", "redis-etl-0"}
    assert [worker["records"] for worker in report["workers"]] == [1, *[0] * 7]


def test_records_are_numbered_through_all_files_in_order(tmp_path: Path, fake_server: FakeServer) -> None:
    parts = [some_lines(count, seed=count) for count in (40, 0, 7, 90)]
    for index, lines in enumerate(parts):
        write(tmp_path / "in" / f"part-{index}.txt", lines)
    write(tmp_path / "in" / ".hidden", [b"hidden"])
    for sources in (
        [tmp_path / "in"],
        [tmp_path / "in" / "part-*.txt"],
        [tmp_path / "in" / f"part-{index}.txt" for index in range(4)],
    ):
        fake_server.client().flushall()
        report = report_of("load", *sources, "--to", fake_server.url, "--workers", "3")
        assert all_of(fake_server.client()) == numbered([line for lines in parts for line in lines])
        assert report["records"]["read"] == 137


def test_the_order_given_is_the_order_numbered(tmp_path: Path, fake_server: FakeServer) -> None:
    first = write(tmp_path / "b.txt", [b"1", b"2"])
    second = write(tmp_path / "a.txt", [b"3"])
    report_of("load", first, second, "--to", fake_server.url, "--split", "record", "--workers", "2")
    assert all_of(fake_server.client()) == {b"0": b"1", b"1": b"2", b"2": b"3"}
