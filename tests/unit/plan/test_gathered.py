"""What a verify of lists gathers: sums by bucket, in a memory that the number of elements does not change."""

from __future__ import annotations

import pyarrow as pa

from etl.plan import BUCKETS, Gathered, sums_of


def test_what_a_worker_has_gathered_travels_with_a_row_a_bucket_however_much_it_was() -> None:
    some = Gathered(sums_of(pa.array(range(BUCKETS), pa.uint64())), {b"list": 3})
    twice = Gathered().and_also(some).and_also(some)
    assert len(twice.sums) == 2 * BUCKETS
    travels = twice.compacted()
    assert len(travels.sums) == BUCKETS
    assert (travels.lengths, travels.items) == (twice.lengths, twice.items)
    assert travels.sums.column("count").to_pylist()[:3] == [2, 2, 2]
    assert travels.sums.column("sum").to_pylist()[:3] == [0, 2, 4]
