"""Records with several keys: what becomes of them is known when the commands of all keys were answered."""

from __future__ import annotations

import pyarrow as pa

from etl.plan import BatchResult, Difference, Refusal
from etl.worker.joint import Joint
from tests.unit.given import batch_of

ALL = pa.array([0, 1, 2], pa.int64())


def joint(pieces: int) -> Joint:
    return Joint(batch_of([b"a", b"b", b"c"]), outstanding=pieces)


def test_a_record_is_written_when_each_of_its_parts_was() -> None:
    records = joint(3)
    records.add(BatchResult(written=3), (), ALL, 0)
    records.add(BatchResult(written=1), [Refusal(0, "WRONGTYPE")], ALL.slice(1, 2), 0)
    assert records.outstanding == 1
    records.add(BatchResult(written=1), (), ALL.slice(0, 1), 0)
    assert not records.outstanding
    assert records.result() == BatchResult(written=2, refusals=(Refusal(1, "WRONGTYPE"),))


def test_a_record_that_two_parts_refuse_is_refused_once_for_the_first_reason() -> None:
    records = joint(2)
    records.add(BatchResult(written=2), [Refusal(2, "first")], ALL, 0)
    records.add(BatchResult(written=2), [Refusal(2, "second")], ALL, 0)
    assert records.result() == BatchResult(written=2, refusals=(Refusal(2, "first"),))


def test_what_is_sent_again_is_waited_for() -> None:
    records = joint(1)
    records.add(BatchResult(written=2), (), ALL, 1)
    assert records.outstanding == 1
    records.add(BatchResult(written=1), (), ALL.slice(2, 1), 0)
    assert records.result() == BatchResult(written=3)


def test_a_record_is_different_if_one_part_is_and_missing_if_one_lacks_and_none_differs() -> None:
    records = joint(2)
    lacks = [Difference(0, b"k", b"x", None), Difference(1, b"k", b"x", None)]
    records.add(BatchResult(equal=1, missing=2, differences=tuple(lacks)), (), ALL, 0)
    other = Difference(1, b"n", b"x", b"y")
    records.add(BatchResult(equal=2, different=1, differences=(other,)), (), ALL, 0)
    result = records.result()
    assert (result.equal, result.missing, result.different) == (1, 1, 1)
    assert [difference.key for difference in result.differences] == [b"k", b"n"]


def test_a_record_is_skipped_if_no_part_has_written_anything() -> None:
    records = joint(2)
    records.add(BatchResult(skipped=3), (), ALL, 0)
    records.add(BatchResult(skipped=3), (), ALL, 0)
    assert records.result() == BatchResult(skipped=3)
