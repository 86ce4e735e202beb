"""Records as entries of an RDB file: what a server loads in a third of the time that commands take.

Nothing is sent and nothing is answered: a target writes the bytes where they belong. What the entries must
not do is no matter of theirs: two of one key make every server panic (see ``encode/rdb/file.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.mapping import Expiry
from etl.encode.rdb.entries import (
    STRING,
    Values,
    expiry_pieces,
    join_entries,
    string_pieces,
    values_of,
    write_hash,
)
from etl.encode.rdb.hashes import HashEncoding, write_hashes
from etl.encode.rdb.parts import Part
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import Joined, text_column
from etl.encode.resp.spread import spread_fields
from etl.plan import Batch, BatchResult, Buffer, Refusal, Wire
from etl.template import Template

_SECOND = pa.scalar(1000, pa.int64())


class Load(Protocol):
    """What is asked of the encoder of a load into a server: see ``Encoder``."""

    @property
    def templates(self) -> tuple[Template, ...]: ...

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]: ...

    def keys(self, batch: Batch) -> pa.Array: ...


class OfLoad:
    """What an encoder of entries has from ``load``, the encoder of the same records for a server."""

    __slots__ = ()

    load: Load

    @property
    def templates(self) -> tuple[Template, ...]:
        return self.load.templates

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return self.load.split_encodable(batch)

    def keys(self, batch: Batch) -> pa.Array:
        return self.load.keys(batch)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Count all records as written: nobody answers."""
        return BatchResult(written=wire.records)


class ValueLayout(Protocol):
    """How records of one type are laid out: frozen, picklable."""

    def values(self, columns: Columns) -> Values:
        """Return the values of the records, all of which can be encoded."""


@dataclass(frozen=True, slots=True)
class RdbEntriesEncoder(OfLoad):
    """One entry a record, whose key and value ``load`` would write into a server.

    ``load`` also says which records can be encoded, and why not the others. ``layout`` makes the values.
    ``base_ms`` (since 1970) is when the expiries that say how long begin.
    """

    load: Load
    key: Template
    layout: ValueLayout
    expiry: Expiry | None
    base_ms: int

    @property
    def expires(self) -> bool:
        return self.expiry is not None

    def encode(self, batch: Batch) -> Wire:
        """Make the batch's entries, one after the other; a group is one of them."""
        columns = Columns(batch)
        expiry = expiry_pieces(expiry_ms(self.expiry, columns, self.base_ms))
        values = self.layout.values(columns)
        return entries_wire(join_entries(expiry, columns.pieces(self.key), values, columns.records))

    def entries_in(self, wire: Wire) -> int:
        return wire.groups

    def part_of(self, start: Buffer) -> Part | None:
        """Return None: an entry is of one record."""
        return None

    def completed(self, parts: Iterable[Part]) -> Iterator[Wire]:
        return iter(())

    def complete(self, parts: Sequence[Part]) -> Wire:
        return Wire((), range(1), None, 0)


def entries_wire(entries: pa.Array) -> Wire:
    """Return the wire of entries, one a record."""
    joined = Joined(entries)
    return Wire((joined.data,), range(len(entries) + 1), None, len(joined.data))


def expiry_ms(expiry: Expiry | None, columns: Columns, base_ms: int) -> pa.Array | int | None:
    """Return when records expire, in milliseconds since 1970: for each (int64), for all, or not at all."""
    if expiry is None:
        return None
    base = 0 if expiry.word.endswith("AT") else base_ms
    unit = 1 if expiry.word.startswith("P") else 1000
    pieces = columns.pieces(expiry.value)
    if expiry.value.constant:
        return base + unit * int(b"".join(pieces))
    milliseconds = text_column(pieces, columns.records).cast(pa.string()).cast(pa.int64())
    if unit > 1:
        milliseconds = pc.multiply(milliseconds, _SECOND)
    return pc.add(milliseconds, pa.scalar(base, pa.int64())) if base else milliseconds


@dataclass(frozen=True, slots=True)
class StringLayout:
    """A string; a server itself makes a number of one that is a number."""

    value: Template

    def values(self, columns: Columns) -> Values:
        return Values(STRING, string_pieces(columns.pieces(self.value)))


@dataclass(frozen=True, slots=True)
class HashLayout:
    """The hash of the fields ``{*}``, small ones in the encoding ``form``."""

    form: HashEncoding

    def values(self, columns: Columns) -> Values:
        fields = list(dict(spread_fields(columns)).items())
        return values_of(write_hashes(fields, columns.records, self.form, write_hash))
