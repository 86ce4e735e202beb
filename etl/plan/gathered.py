"""What a verify gathers of lists: too much to be kept whole, and complete only when every worker has ended.

NOTE(lists): Redis finds an element of a list by walking through the list, so elements are not asked for one
by one. The source's elements and those that the lists hold are compared as multisets: each (key, element) has
a 64-bit digest, and the digests are added up in BUCKETS buckets, on both sides, which takes the same memory
for any number of elements. A bucket that differs is looked at again: its digests alone are gathered, a slice
of at most SLICE_ELEMENTS at a time, and counted against each other. So the memory of a verify grows with
neither the length of the lists nor the number of differences; what it keeps whole are the names of the lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

BUCKETS = 1 << 16
SLICE_ELEMENTS = 500_000
_COMPACT_AT = 16 * BUCKETS

_SUMS = pa.schema([("bucket", pa.uint64()), ("sum", pa.uint64()), ("count", pa.int64())])
ITEMS = pa.schema(
    [("record", pa.int64()), ("digest", pa.uint64()), ("key", pa.binary()), ("element", pa.binary())]
)
"""Elements of the source, or (``record`` -1, no texts) of the lists."""


def bucket_of(digests: pa.Array) -> pa.Array:
    """Return the bucket of each digest."""
    return pc.bit_wise_and(digests, pa.scalar(BUCKETS - 1, pa.uint64()))


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one batch, or one worker, has gathered: frozen, picklable.

    ``sums`` are of every element, ``lengths`` those of the lists that were found, by key; ``items`` are the
    elements whose bucket was wanted.
    """

    sums: pa.Table = field(default_factory=_SUMS.empty_table)
    lengths: dict[bytes, int] = field(default_factory=dict)
    items: pa.Table = field(default_factory=ITEMS.empty_table)

    def and_also(self, other: Gathered) -> Gathered:
        """Return both together."""
        sums = pa.concat_tables([self.sums, other.sums])
        self.lengths.update(other.lengths)
        return Gathered(
            compact(sums) if len(sums) > _COMPACT_AT else sums,
            self.lengths,
            pa.concat_tables([self.items, other.items]),
        )

    def compacted(self) -> Gathered:
        """Return the same in the least memory, as it travels from a worker to the parent."""
        return replace(self, sums=compact(self.sums))


def sums_of(digests: pa.Array) -> pa.Table:
    """Return digests added up (modulo 2**64) and counted by bucket."""
    ones = pa.repeat(pa.scalar(1, pa.int64()), len(digests))
    return compact(pa.Table.from_arrays([bucket_of(digests), digests, ones], schema=_SUMS))


def compact(sums: pa.Table) -> pa.Table:
    """Return one row a bucket, ordered by bucket."""
    grouped = sums.group_by("bucket", use_threads=False).aggregate([("sum", "sum"), ("count", "sum")])
    return grouped.select(["bucket", "sum_sum", "count_sum"]).rename_columns(_SUMS.names).sort_by("bucket")


def differing(source: pa.Table, target: pa.Table) -> list[tuple[int, int]]:
    """Return the buckets that differ, each with its number of elements on both sides together.

    A bucket that the source has nothing in does not count: only its records are asked about.
    """
    there = {bucket: (total, count) for bucket, total, count in _rows(target)}
    return [
        (bucket, count + there.get(bucket, (0, 0))[1])
        for bucket, total, count in _rows(source)
        if there.get(bucket) != (total, count)
    ]


def slices(buckets: list[tuple[int, int]]) -> list[frozenset[int]]:
    """Cut buckets into slices of about SLICE_ELEMENTS elements."""
    cut: list[set[int]] = []
    elements = SLICE_ELEMENTS
    for bucket, count in buckets:
        if elements >= SLICE_ELEMENTS:
            cut.append(set())
            elements = 0
        cut[-1].add(bucket)
        elements += count
    return [frozenset(part) for part in cut]


def _rows(sums: pa.Table) -> list[tuple[int, int, int]]:
    columns = [sums.column(name).to_pylist() for name in _SUMS.names]
    return list(zip(*columns, strict=True))


def wanted_items(
    wanted: frozenset[int] | None, digests: pa.Array, records: pa.Array, keys: pa.Array, elements: pa.Array
) -> pa.Table:
    """Return the elements whose buckets are wanted (None: none of them)."""
    if not wanted:
        return ITEMS.empty_table()
    here = pc.is_in(bucket_of(digests), value_set=pa.array(sorted(wanted), pa.uint64()))
    columns = [column.filter(here) for column in (records, digests, keys, elements)]
    return pa.Table.from_arrays(columns, schema=ITEMS)
