"""How a run ended, folded into its report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.errors import EtlError, InterruptedRunError, RejectedError, TargetError
from etl.pipeline.execution import Ended
from etl.pipeline.outcome import Outcome
from etl.report import Example
from etl.worker import MAX_EXAMPLES
from etl.worker.messages import Failed, Finished, ShardResult
from tests.unit.memory import tally_of

STOPPED = InterruptedRunError("stopped", 2)


def outcome(error: EtlError | None, *results: ShardResult, verb: str = "load") -> Outcome:
    counters = tally_of(2)
    for worker, count in ((0, 3), (1, 4)):
        counters.add(worker, "records_read", count)
        counters.add(worker, "records_written", count - 1)
        counters.add(worker, "records_rejected", 1)
        counters.add(worker, "records_equal", count)
        counters.add(worker, "blocks_done", 1)
        counters.add(worker, "bytes_done", 10 * count)
    return Outcome(verb, "job", "redis://host", counters, Ended(results, error), 1.5)


def test_a_report_is_folded_from_counts_and_results() -> None:
    report = outcome(None, Finished(1, 0.25), Finished(0, 0.5)).report()
    assert (report.verb, report.job, report.target) == ("load", "job", "redis://host")
    assert (report.status, report.error, report.bytes, report.seconds) == ("complete", None, 70, 1.5)
    assert report.records == {"read": 7, "written": 5, "skipped": 0, "rejected": 2}
    assert [(w.records, w.blocks, w.seconds) for w in report.workers] == [(3, 1, 0.5), (4, 1, 0.25)]


def test_what_the_nodes_of_a_cluster_have_answered_for_is_added_up_and_shown() -> None:
    first, second = {"10.0.0.2:6379": 3, "10.0.0.1:6379": 1}, {"10.0.0.2:6379": 1_000}
    report = outcome(None, Finished(0, 0.5, nodes=first), Finished(1, 0.5, nodes=second)).report()
    assert list(report.as_dict()["nodes"].items()) == [("10.0.0.1:6379", 1), ("10.0.0.2:6379", 1_003)]
    assert "redis://host, 2 nodes: 10.0.0.1:6379 1, 10.0.0.2:6379 1,003" in report.summary()
    of_files = replace(report, target="rdb:{shard}.rdb", nodes={"0.rdb": 4, "1.rdb": 5})
    assert "rdb:{shard}.rdb, 2 files: 0.rdb 4, 1.rdb 5" in of_files.summary()
    assert "nodes" not in outcome(None, Finished(0, 0.5)).report().as_dict()


def test_what_later_records_have_superseded_is_counted_where_each_key_is_written_once() -> None:
    ended = outcome(None)
    ended.counters.set(2, "records_superseded", 2)
    ended.counters.add(2, "records_read", 2)
    once = replace(ended, ended=replace(ended.ended, keys_once=True))
    assert once.report().as_dict()["records"] == {
        "read": 9,
        "written": 5,
        "skipped": 0,
        "rejected": 2,
        "superseded": 2,
    }
    assert once.report().summary().endswith("9 read = 5 written + 0 skipped + 2 rejected + 2 superseded")
    assert "superseded" not in ended.report().records


def test_a_verify_counts_what_it_compares() -> None:
    report = outcome(None, verb="verify").report()
    assert report.records == {"read": 7, "equal": 7, "missing": 0, "different": 0, "rejected": 2}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TargetError("gone"), "failed"),
        (STOPPED, "interrupted"),
        (RejectedError("too many"), "incomplete"),
    ],
)
def test_a_run_that_ended_with_an_error_raises_it_with_the_report_so_far(
    error: EtlError, status: str
) -> None:
    ended = outcome(error, Failed(0, 0.5, error))
    with pytest.raises(type(error)) as caught:
        ended.report_or_raise()
    assert caught.value is error
    assert error.report == ended.report()
    assert (ended.report().status, ended.report().error) == (status, str(error))
    assert [worker.seconds for worker in ended.report().workers] == [0.5, 0.0]


def test_a_complete_run_gives_its_report() -> None:
    ended = outcome(None)
    assert ended.report_or_raise() == ended.report()


def examples(*numbers: int | None) -> tuple[Example, ...]:
    return tuple(Example(number, b"k", b"v", None) for number in numbers)


def test_examples_of_all_workers_are_put_in_order_and_the_first_are_shown() -> None:
    words = (Finished(0, 1, examples(5, 9, 70)), Finished(1, 1, examples(1, 8, None)))
    shown = outcome(None, *words, Failed(2, 1, STOPPED)).report().examples
    assert [example.record for example in shown] == [None, 1, 5, 8, 9]
    assert len(shown) == MAX_EXAMPLES
