"""Lists: LLEN while the source is read, LRANGE of all lists after it.

See NOTE(lists) in ``plan/gathered.py``.

https://redis.io/docs/latest/commands/llen/, https://redis.io/docs/latest/commands/lrange/
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import BINARY, CRLF, argument, arguments, join, text_column
from etl.encode.resp.replies import WRONG_TYPE, odd_reply, wrong_type
from etl.encode.verify.check import Mismatch, ReadRequest
from etl.encode.verify.digest import digests, pair_digests
from etl.encode.verify.item_columns import Items, items_of
from etl.plan import Batch, BatchResult, Gathered, Refusal, Wire, sums_of, wanted_items
from etl.template import Field, Template
from etl.units import MIB

ANSWER_BYTES = 2 * MIB
"""What the answer to one wire of windows counts as."""

KEY, FIRST, LAST = "key", "first", "last"
"""Fields of a window: elements ``first`` to ``last`` (both included) of the list ``key``."""


@dataclass(frozen=True, slots=True)
class ListCheck:
    """Finds the records whose list is not there at all; of the others it gathers the elements."""

    key: Template
    words: tuple[Template, ...]

    def uneven(self, columns: Columns) -> list[int]:
        return []

    def request(self, columns: Columns) -> ReadRequest:
        keys = self._keys(columns).unique()
        asked = join([b"*2", argument(b"LLEN"), *arguments([keys]), CRLF], len(keys))
        return ReadRequest((asked.data,), None, len(keys))

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        items = self._items(columns)
        keys = self._keys(columns)
        lengths = {key: next(replies) for key in keys.unique().to_pylist()}
        absent = {key for key, length in lengths.items() if not isinstance(length, int) or length < 1}
        if not absent:
            return
        elements = items.texts(0)
        for index, key, element in zip(_records(items), keys.to_pylist(), elements, strict=True):
            if key in absent:
                yield _mismatch(index, key, element, lengths[key])

    def gather(
        self, columns: Columns, lengths: dict[bytes, int], without: Collection[int], seed: int, wanted: Any
    ) -> Gathered:
        """Return the elements of a batch's records, but those of the records ``without``."""
        items = self._items(columns)
        keys, elements = self._keys(columns), text_column(items.parts[0], items.count)
        records = pa.array(_records(items), pa.int64())
        if without:
            kept = pc.invert(pc.is_in(records, value_set=pa.array(sorted(without), pa.int64())))
            keys, elements, records = keys.filter(kept), elements.filter(kept), records.filter(kept)
        found = item_digests(keys, elements, seed)
        numbers = columns.batch.numbers
        records = records if numbers is None else numbers.take(records)
        return Gathered(sums_of(found), lengths, wanted_items(wanted, found, records, keys, elements))

    def lengths(self, columns: Columns, replies: Iterator[Any]) -> dict[bytes, int]:
        """Return the lengths of the lists that are there; takes the same replies as ``look``."""
        replied = [(key, next(replies)) for key in self._keys(columns).unique().to_pylist()]
        return {key: length for key, length in replied if isinstance(length, int) and length > 0}

    def _items(self, columns: Columns) -> Items:
        return items_of(self.key, self.words, 1, columns)

    def _keys(self, columns: Columns) -> pa.Array:
        items = self._items(columns)
        return text_column(items.key, items.count)


def item_digests(keys: pa.Array, elements: pa.Array, seed: int) -> pa.Array:
    """Return the digest of each key with its element."""
    encoded = keys.dictionary_encode()
    of_keys = digests(encoded.dictionary, seed ^ 1).take(encoded.indices)
    return pair_digests(of_keys, digests(elements, seed))


def _records(items: Items) -> Sequence[int]:
    return range(items.count) if items.records is None else items.records.to_pylist()


def _mismatch(index: int, key: bytes, element: bytes, length: Any) -> Mismatch:
    if wrong_type(length):
        return Mismatch(index, key, element, WRONG_TYPE)
    if isinstance(length, Exception):
        return Mismatch(index, error=length)
    if not isinstance(length, int):
        return Mismatch(index, error=odd_reply(b"LLEN", length))
    return Mismatch(index, key, element)


@dataclass(frozen=True, slots=True)
class WindowEncoder:
    """Reads windows of lists, one LRANGE a record; gathers elements, whole those in ``wanted`` buckets."""

    seed: int
    wanted: frozenset[int] | None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        return tuple(Template((Field(name),)) for name in (KEY, FIRST, LAST))

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return batch, []

    def keys(self, batch: Batch) -> pa.Array:
        return batch.fields.column(KEY)

    def encode(self, batch: Batch) -> Wire:
        words = [word for name in (KEY, FIRST, LAST) for word in arguments([batch.fields.column(name)])]
        asked = join([b"*4", argument(b"LRANGE"), *words, CRLF], len(batch))
        # What is in flight is bounded by bytes sent; here the answers are what takes memory.
        return Wire((asked.data,), range(len(batch) + 1), None, max(len(asked.data), ANSWER_BYTES))

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Gather; a list that has gone, or is none any more, has no elements."""
        found = [reply if isinstance(reply, list) else [] for reply in replies or ()]
        lengths = pa.array([len(reply) for reply in found], pa.int64())
        elements = pa.array([element for reply in found for element in reply], BINARY)
        rows = pa.array([row for row, reply in enumerate(found) for _ in reply], pa.int64())
        keys = batch.fields.column(KEY).take(rows)
        made = item_digests(keys, elements, self.seed)
        none = pa.repeat(pa.scalar(-1, pa.int64()), len(elements))
        empty = pa.repeat(pa.scalar(b"", BINARY), len(elements))
        refusals = tuple(
            Refusal(row, reply)
            for row, reply in enumerate(replies or ())
            if isinstance(reply, Exception) and not wrong_type(reply)
        )
        return BatchResult(
            equal=len(lengths) - len(refusals),
            refusals=refusals,
            gathered=Gathered(sums_of(made), {}, wanted_items(self.wanted, made, none, empty, empty)),
        )
