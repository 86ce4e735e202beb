"""The items that one command adds for each record: one, or several by ``{*}`` and ``{x[]}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import BINARY, Piece, text_column
from etl.encode.resp.spread import spread_counts, spread_fields
from etl.template import Field, Template


@dataclass(frozen=True, slots=True)
class Items:
    """Items in the order of their records. ``parts[k]`` are the pieces of each item's k-th argument.

    ``records`` is the index of each item's record, or None where item ``i`` is that of record ``i``.
    """

    count: int
    key: list[Piece]
    parts: tuple[list[Piece], ...]
    records: pa.Array | None

    def texts(self, part: int) -> list[bytes]:
        """Return one argument of every item (a slow path)."""
        texts: list[bytes] = text_column(self.parts[part], self.count).to_pylist()
        return texts

    def keys(self) -> list[bytes]:
        """Return the key of every item (a slow path)."""
        keys: list[bytes] = text_column(self.key, self.count).to_pylist()
        return keys


def items_of(key: Template, words: Sequence[Template], each: int, columns: Columns) -> Items:
    """Return the items of a batch, each made of ``each`` arguments, that ``words`` stand for."""
    if len(words) == each and not any(word.spreads for word in words):
        parts = tuple(columns.pieces(word) for word in words)
        return Items(columns.records, columns.pieces(key), parts, None)
    values, records = _flattened(words, columns)
    count = len(values) // each
    own = [pa.array(range(part, len(values), each), pa.int64()) for part in range(each)]
    records = records.take(own[0])
    keys = columns.pieces(key) if key.constant else [text_column(columns.pieces(key), len(columns.batch))]
    return Items(
        count=count,
        key=[piece if isinstance(piece, bytes) else piece.take(records) for piece in keys],
        parts=tuple([values.take(indices)] for indices in own),
        records=records,
    )


def uneven_records(words: Sequence[Template], each: int, columns: Columns) -> list[int]:
    """Return the records whose ``words`` do not stand for a multiple of ``each`` arguments."""
    spread = [word for word in words if word.spreads]
    if each == 1 or not spread:
        return []
    counts = pa.repeat(pa.scalar(len(words) - len(spread), pa.int32()), columns.records)
    for word in spread:
        counts = pc.add(counts, spread_counts(word, columns))
    whole = pc.multiply(pc.divide(counts, each), each)
    uneven: list[int] = pc.indices_nonzero(pc.not_equal(whole, counts)).to_pylist()
    return uneven


def _flattened(words: Sequence[Template], columns: Columns) -> tuple[pa.Array, pa.Array]:
    """Return all arguments of all records, record by record, and the record each belongs to."""
    every = pa.array(range(columns.records), pa.int64())
    slots: list[tuple[pa.Array, pa.Array]] = []  # texts and their records, one after the other
    for word in words:
        if word.everything:
            for name, value in spread_fields(columns):
                there = every.filter(value.is_valid())
                slots.append((pa.repeat(pa.scalar(name, BINARY), len(there)), there))
                slots.append((value.drop_null(), there))
        elif word.lists:
            slots.append(_member_texts(word, columns))
        else:
            slots.append((text_column(columns.pieces(word), columns.records), every))
    places = pa.concat_arrays(
        [
            pc.add(pc.multiply(records, pa.scalar(len(slots), pa.int64())), pa.scalar(slot, pa.int64()))
            for slot, (_, records) in enumerate(slots)
        ]
    )
    order = pc.sort_indices(places)  # stable: members of one array stay in order
    texts = pa.concat_arrays([texts for texts, _ in slots])
    return texts.take(order), pc.divide(places.take(order), len(slots))


def _member_texts(word: Template, columns: Columns) -> tuple[pa.Array, pa.Array]:
    members = columns.members(next(iter(word.lists)))
    if members is None:
        return pa.array([], BINARY), pa.array([], pa.int64())
    values = members.flatten()
    parts = [values if isinstance(part, Field) else part for part in word.parts]
    return text_column(parts, len(values)), pc.list_parent_indices(members).cast(pa.int64())
