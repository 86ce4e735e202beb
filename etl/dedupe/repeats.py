"""Hashes that occur more than once, among more of them than fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.key_hash import HASH, HASH_BITS
from etl.encode.strategies.key_hashes import HashFilter
from etl.sink.spilled_runs import Range, Runs, ranges
from etl.units import MIB

_BYTES_PER_ROW = 64
"""Memory that a row takes while its range is searched: itself, twice sorted, and the orders."""

_ROWS = 1 << 16
"""Rows that are searched at a time: they stay in the processor's cache."""

_MIN_ROWS = 256
_ROWS_PER_RUN = 512
"""So many at least are worth it to find their place in a run."""

_RADIX_BITS = 12
"""As many bits Arrow sorts by counting, which is ten times as fast as by comparing."""

_MAX_FILTER_BYTES = 16 * MIB
_FILTER_BITS_PER_ROW = 8
_DENSE = 16


@dataclass(slots=True)
class Repeats:
    """Hashes that occur more than once: how many, a filter for them, and where their records are."""

    bits: bytearray
    size: int
    hashes: int = 0
    places: set[int] = field(default_factory=set)

    @property
    def filter(self) -> HashFilter:
        return HashFilter(bytes(self.bits), self.size)

    def note(self, hashes: pa.Array, places: pa.Array) -> None:
        """Note hashes, each once, and the places of all records that have one of them."""
        self.hashes += len(hashes)
        self.places.update(pc.unique(places).to_pylist())
        slots = pc.shift_right(hashes, pa.scalar(HASH_BITS - self.size, HASH))
        for slot in slots.to_pylist():
            self.bits[slot >> 3] |= 1 << (slot & 7)

    def note_all_of(self, wanted: Range, hashes: int, places: pa.Array) -> None:
        """Note so many hashes of a range, where all of the range may pass: there are too many to set each."""
        self.hashes += hashes
        self.places.update(pc.unique(places).to_pylist())
        start, stop = (bound >> (HASH_BITS - self.size + 3) for bound in (wanted.start, wanted.stop))
        self.bits[start:stop] = b"\xff" * (stop - start)


def find_repeats(runs: Runs, memory: int, check: Callable[[], None]) -> Repeats:
    """Return the hashes that occur more than once, using about ``memory`` bytes.

    ``check`` is called between ranges, and may raise.
    """
    rows = runs.rows
    limit = max(min(memory // _BYTES_PER_ROW, max(_ROWS, _ROWS_PER_RUN * runs.count)), _MIN_ROWS)
    wanted = ranges(-(-rows // limit))
    # Each range has whole bytes of the filter.
    most = max(8 * min(_MAX_FILTER_BYTES, memory // 8), 8 * len(wanted), 1024)
    size = min(max(rows * _FILTER_BITS_PER_ROW, 1024, 8 * len(wanted)), most).bit_length() - 1
    repeats = Repeats(bytearray(1 << (size - 3)), size)
    for one in wanted:
        check()
        _search(runs, one, limit, repeats)
    return repeats


def _search(runs: Runs, wanted: Range, limit: int, repeats: Repeats) -> None:
    """Search one range: see NOTE(range memory)."""
    known_bits = HASH_BITS - (wanted.stop - wanted.start).bit_length() + 1
    kept: list[pa.RecordBatch] = []
    count = reduced = 0
    for rows in runs.within(wanted):
        kept.append(rows)
        count += len(rows)
        if count >= 2 * max(limit, reduced):
            kept = [_reduce(kept, wanted, known_bits, repeats)]
            count = reduced = len(kept[0])
    if count > 1:
        _reduce(kept, wanted, known_bits, repeats, last=True)


def _reduce(
    batches: list[pa.RecordBatch], wanted: Range, known_bits: int, repeats: Repeats, *, last: bool = False
) -> pa.RecordBatch:
    """Note the hashes that batches have more than once; return the rows, of each hash one (unless last)."""
    batch = pa.concat_batches(batches) if len(batches) > 1 else batches[0]
    hashes, places = batch.columns
    again = repeated_rows(hashes, known_bits)
    if not len(again):
        return batch
    found = hashes.take(again)
    distinct = pc.unique(found)
    if len(distinct) * _DENSE > len(batch):
        repeats.note_all_of(wanted, len(distinct), places.take(again))
    else:
        repeats.note(distinct, places.take(again))
    if last:
        return batch
    once = pc.unique(hashes)
    return pa.RecordBatch.from_arrays(
        [once, places.take(pc.index_in(once, value_set=hashes))], schema=batch.schema
    )


def repeated_rows(hashes: pa.Array, known_bits: int = 0) -> pa.Array:
    """Return the indices of all rows whose hash another row has too; the first ``known_bits`` are all alike.

    NOTE(radix): what is sorted by some bits has such rows as neighbours. Rows are sorted by 24 bits: twice by
    12, as Arrow sorts numbers of so few bits by counting. Of those that are alike then, one in a hundred, all
    bits are compared. That costs 40 ns a row, a fifth of what a hash table does.
    """
    suspects = _neighbours(hashes, known_bits)
    found = hashes.take(suspects)
    values, counts = pc.value_counts(found).flatten()
    again = values.filter(pc.greater(counts, 1))
    return suspects.filter(pc.is_in(found, value_set=again)) if len(again) else suspects.slice(0, 0)


def _neighbours(hashes: pa.Array, known_bits: int) -> pa.Array:
    """Return the rows that agree with another in the 24 bits after those that are known to be alike."""
    if len(hashes) < 2:
        return pa.array([], pa.uint64())
    first = pc.array_sort_indices(_bits(hashes, known_bits + _RADIX_BITS, _RADIX_BITS))
    second = pc.array_sort_indices(_bits(hashes, known_bits, _RADIX_BITS).take(first))
    order = first.take(second)
    both = _bits(hashes.take(order), known_bits, 2 * _RADIX_BITS)
    alike = pc.equal(both.slice(1), both.slice(0, len(both) - 1))
    if not pc.any(alike).as_py():
        return pa.array([], pa.uint64())
    no = pa.array([False])
    return order.filter(pc.or_(pa.concat_arrays([alike, no]), pa.concat_arrays([no, alike])))


def _bits(hashes: pa.Array, first: int, count: int) -> pa.Array:
    """Return ``count`` bits of each hash from the bit ``first`` on, counted from the highest."""
    first = min(first, HASH_BITS - count)
    above = pc.shift_left(hashes, pa.scalar(first, HASH)) if first else hashes
    narrow = pa.uint16() if count <= 16 else pa.uint32()
    return pc.shift_right(above, pa.scalar(HASH_BITS - count, HASH)).cast(narrow, safe=False)
