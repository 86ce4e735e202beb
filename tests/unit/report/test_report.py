"""Reports: the counts reconcile, the JSON has its keys, the exit code tells."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.report import COUNTED, COUNTERS, Counters, Example, Rejected, Report, WorkerReport
from tests.cases import cases

LOADED = {"read": 1_000_000, "written": 999_000, "skipped": 900, "rejected": 100}
VERIFIED = {"read": 10, "equal": 6, "missing": 2, "different": 1, "rejected": 1}


def report(records: dict[str, int], verb: str = "load", **changes: Any) -> Report:
    made = Report(
        verb=verb,
        status="complete",
        job="train-1234",
        target="redis://host:6379/0",
        records=records,
        bytes=405_000_000,
        seconds=2.5,
        workers=(WorkerReport(600_000, 300, 2.25), WorkerReport(400_000, 200, 2.0)),
    )
    return dataclasses.replace(made, **changes)


def test_the_last_line_reconciles() -> None:
    assert report(LOADED).summary().splitlines()[-1] == (
        "1,000,000 read = 999,000 written + 900 skipped + 100 rejected"
    )
    assert report(VERIFIED, "verify").summary().splitlines()[-1] == (
        "10 read = 6 equal + 2 missing + 1 different + 1 rejected"
    )


def test_the_line_before_it_says_how_much_how_fast_by_whom_and_where_to() -> None:
    assert report(LOADED).summary().splitlines()[0] == (
        "405.0 MB in 2.50 s (400,000 records/s), 2 workers, redis://host:6379/0"
    )
    assert "(0 records/s)" in report(dict.fromkeys(LOADED, 0), seconds=0.0).summary()


def test_the_json_has_the_keys_of_the_contract() -> None:
    data = json.loads(json.dumps(report(LOADED).as_dict()))
    assert data == {
        "status": "complete",
        "records": LOADED,
        "bytes": 405_000_000,
        "seconds": 2.5,
        "rate": 400_000.0,
        "resumed_from": None,
        "workers": [
            {"records": 600_000, "blocks": 300, "seconds": 2.25},
            {"records": 400_000, "blocks": 200, "seconds": 2.0},
        ],
        "job": "train-1234",
        "target": "redis://host:6379/0",
        "rejects": None,
    }


def test_the_rejects_have_a_line_of_their_own_and_a_place_in_the_json() -> None:
    rejected = Rejected("rejects-x.jsonl", "a.csv", 17, "it has no field {id}")
    said = report(LOADED, rejected=rejected)
    line = "100 rejected: see rejects-x.jsonl (first: record 17 of a.csv: it has no field {id})"
    assert said.rejects_line == said.summary().splitlines()[-3] == line
    assert said.as_dict()["rejects"] == {
        "file": "rejects-x.jsonl",
        "first": {"file": "a.csv", "record": 17, "reason": "it has no field {id}"},
    }


def test_a_verify_says_how_many_differences_it_does_not_show_or_where_all_are() -> None:
    examples = (Example(3, b"k:3", b"v", None),)
    said = report(VERIFIED, "verify", examples=examples)
    assert "2 more differences not shown: --differences FILE writes all of them" in said.summary()
    assert said.as_dict()["differences_not_shown"] == 2
    said = dataclasses.replace(said, differences="d.jsonl")
    assert "all 3 differences written to d.jsonl" in said.summary()
    assert said.as_dict()["differences"] == "d.jsonl"
    assert "shown" not in report(dict.fromkeys(VERIFIED, 0), "verify").summary()


def test_the_json_of_a_verify_has_examples_and_that_of_a_failure_its_error() -> None:
    examples = (Example(3, b"k:3", b"v\xff", None), Example(None, b"k", b"v", b"\x00w"))
    data = report(VERIFIED, "verify", examples=examples, status="failed", error="why").as_dict()
    assert json.loads(json.dumps(data))["examples"] == [
        {"record": 3, "key": "k:3", "expected": "v\\xff", "found": None},
        {"record": None, "key": "k", "expected": "v", "found": "\x00w"},
    ]
    assert (data["status"], data["error"]) == ("failed", "why")


def test_examples_stand_before_the_counts_and_are_cut() -> None:
    examples = (
        Example(1234, b"k", b"v", None),
        Example(None, b"k", b"v" * 100, b"\r\n\x1b[31m"),
    )
    first, second, *_ = report(VERIFIED, "verify", examples=examples).summary().splitlines()
    assert first == "record 1,234, key 'k' is missing, the source has 'v'"
    assert second == f"key 'k' holds '\\r\\n\\x1b[31m', the source has '{'v' * 60}'... (100 B)"


@cases(
    ("records", "code"),
    [
        ({"read": 5, "written": 5, "skipped": 0, "rejected": 0}, 0),
        ({"read": 5, "written": 0, "skipped": 5, "rejected": 0}, 0),
        ({"read": 5, "written": 4, "skipped": 0, "rejected": 1}, 1),
        ({"read": 0, "written": 0, "skipped": 0, "rejected": 0}, 0),
        ({"read": 5, "equal": 5, "missing": 0, "different": 0}, 0),
        ({"read": 5, "equal": 4, "missing": 1, "different": 0}, 1),
        ({"read": 5, "equal": 4, "missing": 0, "different": 1}, 1),
        ({"read": 5, "equal": 4, "missing": 0, "different": 0, "rejected": 1}, 1),
    ],
)
def test_the_exit_code_is_1_when_something_is_amiss_with_some_records(
    records: dict[str, int], code: int
) -> None:
    assert report(records).exit_code == code


@pytest.mark.parametrize("verb", COUNTED)
def test_a_run_that_has_not_begun_has_read_nothing(verb: str) -> None:
    data = Report.of_no_run(verb, COUNTED[verb], "failed", "why").as_dict()
    assert data["records"] == dict.fromkeys(COUNTED[verb], 0)
    assert (data["status"], data["error"], data["job"], data["target"]) == ("failed", "why", None, None)
    assert (data["bytes"], data["workers"]) == (0, [])


def test_what_is_counted_of_a_verb_has_a_counter_and_begins_with_their_sum() -> None:
    for names in COUNTED.values():
        assert names[0] == "read"
        assert {f"records_{name}" for name in names} <= set(COUNTERS)


ADDITIONS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(COUNTERS), st.integers(0, 1 << 40)), max_size=30
)


@given(ADDITIONS)
def test_a_tally_keeps_every_workers_counts_apart_and_adds_them_up(
    additions: list[tuple[int, str, int]],
) -> None:
    counters = Counters([0] * Counters.size(4), 4)
    for worker, counter, count in additions:
        counters.add(worker, counter, count)
    for counter in COUNTERS:
        for worker in range(4):
            wanted = sum(n for w, c, n in additions if (w, c) == (worker, counter))
            assert counters.of(worker, counter) == wanted
        assert counters.total(counter) == sum(n for _, c, n in additions if c == counter)


def test_a_tally_is_finished_when_every_worker_is() -> None:
    counters = Counters([0] * Counters.size(2), 2)
    assert not counters.finished()
    counters.add(1, "finished", 1)
    assert not counters.finished()
    counters.add(0, "finished", 1)
    assert counters.finished()


def test_the_rate_is_of_this_run_where_an_earlier_one_has_read_a_part() -> None:
    report = Report(
        verb="load",
        status="complete",
        job="job",
        target="redis://host:6379/0",
        records={"read": 1000, "written": 1000, "skipped": 0, "rejected": 0},
        bytes=4,
        seconds=2.0,
        workers=(),
        resumed_from=900,
    )
    assert "(50 records/s)" in report.summary()
    assert (report.as_dict()["rate"], report.as_dict()["records"]["read"]) == (50.0, 1000)
