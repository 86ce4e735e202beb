"""Verify of lists on a real server: lost, doubled and other elements, by pages and not one by one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.errors import SourceError
from etl.plan import gathered
from etl.report import Report
from tests.support import RealServer

LINES = [b"%d" % (number % 9000) for number in range(10_000)]


def verified(server: RealServer, source: Any, **options: Any) -> Report:
    return etl.verify(source, to=server.url, progress="none", as_="list", key="all", workers=1, **options)


@pytest.fixture
def loaded(real_server: RealServer, tmp_path: Path) -> Path:
    """A file of 10,000 lines, 1,000 of them twice, loaded into one list."""
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\n".join(LINES))
    etl.load(file, to=real_server.url, progress="none", as_="list", key="all", workers=1)
    return file


def test_an_equal_list_is_read_once_by_pages(real_server: RealServer, loaded: Path) -> None:
    client = real_server.client()
    client.config_resetstat()
    assert verified(real_server, loaded).records["equal"] == 10_000
    calls = {name: stats["calls"] for name, stats in client.info("commandstats").items()}
    assert calls["cmdstat_lrange"] == 3
    assert "cmdstat_lpos" not in calls


@pytest.mark.parametrize("slice_elements", [10, 500_000])
def test_lost_doubled_and_unequally_many_elements_are_told_by_record(
    real_server: RealServer,
    loaded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slice_elements: int,
) -> None:
    monkeypatch.setattr(gathered, "SLICE_ELEMENTS", slice_elements)
    client = real_server.client()
    client.lrem("all", 1, "5000")  # once in the source: missing
    client.lrem("all", 1, "7")  # twice in the source (records 7 and 9,007), once here
    client.rpush("all", "6000", "no record has this")
    path = loaded.with_name("d.jsonl")
    report = verified(real_server, loaded, differences=str(path))
    assert report.records == {"read": 10_000, "equal": 9_997, "missing": 2, "different": 1, "rejected": 0}
    assert sorted(map(json.loads, path.read_text().splitlines()), key=lambda each: each["record"]) == [
        {"record": 5000, "key": "all", "expected": "5000", "found": None},
        {"record": 6000, "key": "all", "expected": "6000", "found": "2 times instead of 1"},
        {"record": 9007, "key": "all", "expected": "7", "found": None},
    ]
    assert [example.record for example in report.examples] == [5000, 6000, 9007]
    merged = verified(real_server, loaded, if_exists="merge")
    assert (merged.records["missing"], merged.records["different"]) == (2, 0)


def test_a_stream_that_can_be_read_again_is_and_one_that_cannot_says_so(
    real_server: RealServer, loaded: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "lines.txt.gz"
    packed.write_bytes(gzip.compress(loaded.read_bytes()))
    real_server.client().lset("all", 3, "x")
    assert verified(real_server, packed).records["missing"] == 1
    records = ({"v": line.decode()} for line in LINES)
    with pytest.raises(SourceError, match="gives its records once"):
        verified(real_server, records, value="{v}")


def test_many_lists_share_a_block(real_server: RealServer, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id,v\n" + "".join(f"{number % 300},v{number}\n" for number in range(3_000)))
    options: dict[str, Any] = {"to": real_server.url, "as_": "list", "key": "l:{id}", "value": "{v}"}
    etl.load(rows, progress="none", workers=2, **options)
    assert etl.verify(rows, progress="none", workers=2, **options).records["equal"] == 3_000
    real_server.client().lpop("l:7")
    real_server.client().set("l:8", "no list")
    report = etl.verify(rows, progress="none", workers=2, **options)
    assert (report.records["missing"], report.records["different"]) == (1, 10)
