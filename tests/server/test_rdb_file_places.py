"""RDB files that go elsewhere: to an object store, and to the nodes of a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import FileSelector

from etl.encode.resp.slots import slot_of
from tests.fault.commands import run_here
from tests.server.clustered import Clustered
from tests.support.rdb_strings import read_strings


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two lines, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = tmp_path / "in.txt"
    lines.write_text("a\nb\n")
    return lines


def test_a_file_is_copied_to_an_object_store_when_it_is_complete(
    bucket: tuple[Any, str], s3: str, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system, name = bucket
    argv = ("load", lines, "--to", f"rdb:s3://{name}/sets/train.rdb?{s3}")
    assert run_here(capsys, *argv).code == 0
    copy = lines.with_name("copy.rdb")
    with system.open_input_stream(f"{name}/sets/train.rdb") as stream:
        copy.write_bytes(stream.read())
    assert read_strings(copy).values == {b"0": b"a", b"1": b"b"}
    assert not [file for _, _, files in os.walk(lines.parent / "cache") for file in files]
    ended = run_here(capsys, *argv, "--skip-unchanged")
    assert (ended.code, ended.records["read"]) == (0, 0)
    assert ended.report["target"] == f"rdb:s3://{name}/sets/train.rdb"


def test_each_of_several_files_is_copied(
    bucket: tuple[Any, str], s3: str, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system, name = bucket
    to = f"rdb:s3://{name}/several/{{shard}}.rdb?{s3}"
    assert run_here(capsys, "load", lines, "--to", to, "--shards", "2").code == 0
    found = system.get_file_info(FileSelector(f"{name}/several"))
    assert sorted(file.base_name for file in found) == ["0.rdb", "1.rdb"]


def test_what_else_is_in_an_object_store_is_not_written_over(
    bucket: tuple[Any, str], s3: str, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system, name = bucket
    with system.open_output_stream(f"{name}/x.csv") as stream:
        stream.write(b"id\n1\n")
    ended = run_here(capsys, "load", lines, "--to", f"rdb:s3://{name}/x.csv?{s3}")
    assert ended.code == 2
    assert f"rdb:s3://{name}/x.csv is there, and is no RDB file" in ended.sentence


def test_a_copy_that_fails_leaves_the_complete_file(
    bucket: tuple[Any, str], s3: str, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run_here(capsys, "load", lines, "--to", f"rdb:s3://no-such-bucket-{bucket[1]}/x.rdb?{s3}")
    assert ended.code == 4
    assert "; the file is complete at " in ended.sentence
    whole = ended.sentence.partition("complete at ")[2].partition(":")[0]
    assert read_strings(Path(whole)).values == {b"0": b"a", b"1": b"b"}


def test_each_primary_of_a_cluster_has_a_file_with_the_keys_of_its_slots(
    clustered: Clustered, lines: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lines.parent)
    lines.write_text("".join(f"{number}\n" for number in range(900)))
    node = clustered.cluster.nodes[1].url
    to = ("--to", "rdb:node-{shard}.rdb", "--slots-of", node)
    ended = run_here(capsys, "load", lines, *to)
    assert ended.code == 0, ended
    found = [read_strings(Path(f"node-{shard}.rdb")).values for shard in range(3)]
    assert sum(map(len, found)) == 900
    client: Any = clustered.cluster.nodes[0].client()
    for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
        assert primary
        inside = [{first <= slot_of(key) <= last for key in values} for values in found]
        assert inside.count({True}) == 1
    ended = run_here(
        capsys, "load", lines, "--to", "rdb:node-{shard}.rdb", "--slots-of", "redis://127.0.0.1:1"
    )
    assert (ended.code, "cannot reach redis://127.0.0.1:1" in ended.sentence) == (4, True)
