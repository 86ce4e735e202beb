"""Which record of a key stays, decided by the keys themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from etl.sink.spilled_runs import Range, Runs, ranges
from etl.units import KIB, MIB

Keeps = Literal["last", "first", "none"]

_MEMORY_PER_BYTE = 8
"""Memory that a byte of a range takes while it is settled: itself, groups, and what is made of them."""

_RANGE_BYTES = 4 * MIB
"""So much is settled at a time: its groups stay in the processor's cache."""

_MIN_BYTES = KIB
_BYTES_PER_RUN = 16 * KIB
"""So many at least are worth it to find their place in a run."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A record whose key an earlier record has."""

    number: int
    earlier: int
    key: bytes


def losers(runs: Runs, keeps: Keeps, memory: int, check: Callable[[], None]) -> Iterator[pa.Array]:
    """Yield the numbers of the records (int64) that do not stay, each once, using about ``memory`` bytes.

    Of the records with one key the last or the first stays. ``check`` is called between ranges, and may
    raise.
    """
    for loss in _losses(runs, keeps, memory, check):
        yield loss.numbers


def first_repeat(runs: Runs, memory: int, check: Callable[[], None]) -> Repeat | None:
    """Return the first record of all whose key an earlier one has; None where each key is there once."""
    found: Repeat | None = None
    for loss in _losses(runs, "first", memory, check):
        number = pc.min(loss.numbers).as_py()
        if found is None or number < found.number:
            key = loss.rows["key"][pc.index(loss.rows["number"], number).as_py()]
            earlier = loss.stayed["number"][pc.index(loss.stayed["key"], key).as_py()].as_py()
            found = Repeat(number, earlier, key.as_py())
    return found


@dataclass(frozen=True, slots=True)
class _Loss:
    """``numbers`` of ``rows`` (number, key) did not stay; ``stayed`` did, of each key one."""

    numbers: pa.Array
    rows: pa.Table
    stayed: pa.Table


def _losses(runs: Runs, keeps: Keeps, memory: int, check: Callable[[], None]) -> Iterator[_Loss]:
    wanted_bytes = max(_RANGE_BYTES, _BYTES_PER_RUN * runs.count)
    limit = max(min(memory // _MEMORY_PER_BYTE, wanted_bytes), _MIN_BYTES)
    for wanted in ranges(max(-(-runs.nbytes // limit), 1)):
        check()
        yield from _losses_of(runs, wanted, keeps, limit)


def _losses_of(runs: Runs, wanted: Range, keeps: Keeps, limit: int) -> Iterator[_Loss]:
    """Settle one range: see NOTE(range memory)."""
    kept: list[pa.RecordBatch] = []
    nbytes = reduced = 0
    for rows in runs.within(wanted):
        kept.append(rows.select(["number", "key"]))
        nbytes += kept[-1].nbytes
        if nbytes >= 2 * max(limit, reduced):
            loss = _settle(pa.Table.from_batches(kept), keeps)
            if loss is not None:
                yield loss
                kept = loss.stayed.to_batches()
            nbytes = reduced = sum(batch.nbytes for batch in kept)
    if kept and (loss := _settle(pa.Table.from_batches(kept), keeps)) is not None:
        yield loss


def _settle(rows: pa.Table, keeps: Keeps) -> _Loss | None:
    """Return which rows do not stay; None where all do."""
    which = "max" if keeps == "last" else "min"
    grouped = rows.group_by("key", use_threads=False).aggregate([("number", which)])
    if len(grouped) == len(rows):
        return None
    stayed = pa.table([grouped[f"number_{which}"], grouped["key"]], schema=rows.schema)
    numbers = rows["number"].combine_chunks()
    stay = pc.is_in(numbers, value_set=stayed["number"].combine_chunks())
    return _Loss(numbers.filter(pc.invert(stay)), rows, stayed)
