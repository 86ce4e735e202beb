"""Sets as an RDB file holds them, vectorised; a record has all of its set's members.

- RDB_TYPE_SET_INTSET: the numbers in ascending order, all in so many bytes as the widest one needs
  (``src/intset.c``). For sets of integers.
- RDB_TYPE_SET_LISTPACK: for other small ones, from version 11 on.
- RDB_TYPE_SET: the members as strings, of which the server makes what it would.

A member is in a set once: a server refuses a file with one that is there twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.compact import compact_runs, listpack_pieces, string_runs
from etl.encode.rdb.entries import Values, boxed, values_of
from etl.encode.rdb.hashes import MAX_LISTPACK_BYTES
from etl.encode.rdb.length import rdb_length
from etl.encode.rdb.listpack import MAX_STRING_BYTES, integer_mask, low_bytes
from etl.encode.rdb.runs import Pieces, Runs, by_encoding, runs_of
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import BINARY
from etl.template import Template

SET = b"\x02"
SET_INTSET = b"\x0b"
SET_LISTPACK = b"\x14"

MAX_MEMBERS = 128
"""Members of a listpack by Redis's own bound (``set-max-listpack-entries``)."""

MAX_INTEGERS = 512
"""Members of an intset by Redis's own bound (``set-max-intset-entries``)."""

_LISTPACK_VERSION = 11
_ONE = pa.scalar(1, pa.int32())
_TRUE = pa.array([True])


@dataclass(frozen=True, slots=True)
class SetLayout:
    """A set of what ``value`` makes: of an array field's members, each once, or of one member."""

    value: Template
    version: int

    def values(self, columns: Columns) -> Values:
        runs = distinct(runs_of(self.value, columns), "first")
        choices = [(_of_integers(runs), _intsets)]
        if self.version >= _LISTPACK_VERSION:
            small = compact_runs(
                runs, longest=MAX_STRING_BYTES, nbytes=MAX_LISTPACK_BYTES, members=MAX_MEMBERS
            )
            choices.append((small, _listpacks))
        return values_of(by_encoding(runs, choices, _strings))


def distinct(runs: Runs, which: Literal["first", "last"]) -> Runs:
    """Return runs whose members are in them once: of those that are the same the ``first`` or the last."""
    count = len(runs.members)
    if count == len(runs):
        return runs
    texts = pc.dictionary_encode(runs.members)
    owners = pc.multiply(runs.owners.cast(pa.int64()), pa.scalar(len(texts.dictionary), pa.int64()))
    pairs = pc.add(owners, texts.indices.cast(pa.int64()))
    order = pc.array_sort_indices(pairs)  # stable: of the same pair the first one is the first
    pairs = pairs.take(order)
    other = pc.not_equal(pairs.slice(1), pairs.slice(0, count - 1))
    if other.true_count == count - 1:
        return runs
    kept = order.filter(pa.concat_arrays([_TRUE, other] if which == "first" else [other, _TRUE]))
    return runs.chosen(kept.take(pc.array_sort_indices(kept)))


def _of_integers(runs: Runs) -> pa.Array | None:
    """Return which runs have integers alone, and not too many; None: no member is one."""
    lengths = pc.binary_length(runs.members)
    bounds = pc.min_max(lengths).as_py()
    integers = integer_mask(runs.members, lengths, bounds["min"], bounds["max"])
    if integers is None:
        return None
    return pc.and_(runs.without(pc.invert(integers)), pc.less_equal(runs.counts, MAX_INTEGERS))


def _intsets(runs: Runs) -> Pieces:
    numbers = runs.members.view(pa.string()).cast(pa.int64())
    owners = runs.owners
    keys = [("run", "ascending"), ("number", "ascending")]
    order = pc.sort_indices(pa.table({"run": owners, "number": numbers}), sort_keys=keys)
    numbers = numbers.take(order)
    lowest = numbers.take(runs.bounds.slice(0, len(runs)))
    highest = numbers.take(pc.subtract(runs.bounds.slice(1), _ONE))
    widths = pa.repeat(pa.scalar(2, pa.int32()), len(runs))
    for width in (4, 8):
        most = pa.scalar((1 << 4 * width - 1) - 1, pa.int64())
        least = pa.scalar(-(1 << 4 * width - 1), pa.int64())
        wide = pc.or_(pc.less(lowest, least), pc.greater(highest, most))
        widths = pc.if_else(wide, pa.scalar(width, pa.int32()), widths)
    kept = pc.subtract(pc.shift_left(_ONE, widths.take(owners)), _ONE).cast(pa.uint8())
    # As in ``listpack``, integers are laid out in machine words: NOTE(bytes) there.
    heads = [number.view(pa.binary(4)).cast(BINARY) for number in (widths, runs.counts)]
    body = [*heads, runs.joined([low_bytes(numbers.view(pa.uint64()), kept, numbers)])]
    return boxed(SET_INTSET, body, len(runs), size=rdb_length).pieces


def _listpacks(runs: Runs) -> Pieces:
    return boxed(SET_LISTPACK, listpack_pieces(runs, (runs.members,)), len(runs)).pieces


def _strings(runs: Runs) -> Pieces:
    return string_runs(SET, runs)
