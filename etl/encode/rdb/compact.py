"""Members of lists, sets and sorted sets as listpacks, ziplists or plain strings: what these types share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb import ziplist
from etl.encode.rdb.entries import plain
from etl.encode.rdb.length import rdb_length
from etl.encode.rdb.listpack import END, element_pieces
from etl.encode.rdb.runs import Pieces, Runs
from etl.encode.resp.lookup import lookup

_MAX_OVERHEAD = 5  # bytes of an element besides its text, at most; of a number's text it has fewer
_UNKNOWN = 0xFFFF


def compact_runs(
    runs: Runs, *, longest: int, nbytes: int, members: int | None = None, more: int = 0
) -> pa.Array:
    """Return which runs suit a listpack or ziplist.

    Those with no member of more than ``longest`` bytes, of about ``nbytes`` in all at most (``more`` for each
    besides its text), and with so many ``members`` at most.
    """
    lengths = pc.binary_length(runs.members)
    sizes = pc.add(lengths, pa.scalar(_MAX_OVERHEAD + more, pa.int32()))
    suited = pc.less_equal(runs.sums(sizes), nbytes)
    if pc.max(lengths).as_py() > longest:
        suited = pc.and_(suited, runs.without(pc.greater(lengths, longest)))
    if members is not None:
        suited = pc.and_(suited, pc.less_equal(runs.counts, members))
    return suited


def listpack_pieces(runs: Runs, columns: Sequence[pa.Array]) -> list[Any]:
    """Return the bodies of listpacks: of each run's members the texts of all ``columns`` by turns."""
    pieces = [piece for column in columns for piece in element_pieces(column, before=b"")]
    return [_element_counts(runs, len(columns)), runs.joined(pieces), END]


def ziplist_pieces(runs: Runs, columns: Sequence[pa.Array]) -> list[Any]:
    """Return the bodies of ziplists in the same way; no text is longer than ``ziplist.MAX_NAME_BYTES``."""
    lengths = [pc.binary_length(column) for column in columns]
    sizes = [ziplist.value_sizes(each) for each in lengths]
    before = ziplist.sizes_before(sizes[-1], runs.bounds)
    pieces: list[Any] = []
    for column, length, size in zip(columns, lengths, sizes, strict=True):
        longest = pc.max(length).as_py()
        pieces.append(lookup(ziplist.prevlen, before, ziplist.LONG_ENTRY - 1))
        pieces += [lookup(ziplist.string_head, length, longest), column]
        before = size
    entries = runs.joined(pieces)
    last = sizes[-1].take(pc.subtract(runs.bounds.slice(1), pa.scalar(1, pa.int32())))
    return [ziplist.last_offset(entries, last), _element_counts(runs, len(columns)), entries, END]


def string_runs(kind: bytes, runs: Runs, *more: pa.Array) -> Pieces:
    """Return values of a type that is a number of members, then each as a string with ``more`` after it."""
    lengths = pc.binary_length(runs.members)
    strings = [lookup(rdb_length, lengths, pc.max(lengths).as_py()), runs.members, *more]
    counts = runs.counts
    pieces = [lookup(rdb_length, counts, pc.max(counts).as_py()), runs.joined(strings)]
    return plain(kind, pieces, len(runs)).pieces


def _element_counts(runs: Runs, each: int) -> Any:
    counts = pc.multiply(runs.counts, pa.scalar(each, pa.int32()))
    return lookup(count_bytes, counts, pc.max(counts).as_py())


def count_bytes(elements: int) -> bytes:
    """Return the number of a listpack's or ziplist's elements, as it stands there."""
    return min(elements, _UNKNOWN).to_bytes(2, "little")
