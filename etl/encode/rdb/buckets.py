"""Strings in buckets: where ``--pack N`` keeps the string of record k, and a batch seen bucket by bucket.

NOTE(bucket): record k lives in the hash whose key is the template with ``k // N`` in the place of ``{#}``,
in the field ``k % N`` (decimal). So with ``--key train:{#} --pack 128`` any client reads record k with
``HGET train:{k // 128} {k % 128}``. A record that was refused has no field, and a bucket without any record
has no key. N is at most 512, the number of fields up to which Redis keeps a hash as a listpack
(``hash-max-listpack-entries``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.listpack import element
from etl.encode.rdb.runs import Runs, join_runs, runs_without
from etl.encode.resp.lookup import lookup
from etl.encode.resp.protocol import BINARY, Piece, argument, join_column
from etl.plan import Batch
from etl.template import Field, Template

_FIRST = pa.array([0], pa.int32())


@dataclass(frozen=True, slots=True)
class Buckets:
    """Records in order, ``size`` (N) to a bucket at most: see NOTE(bucket).

    ``numbers`` (int64) are the buckets' numbers, each once; ``bounds`` (int32) their ends: bucket ``i`` has
    the records ``bounds[i]`` up to (not including) ``bounds[i + 1]``. ``fields`` (int32) are the records'
    fields.
    """

    size: int
    numbers: pa.Array
    bounds: pa.Array
    fields: pa.Array

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def counts(self) -> pa.Array:
        """Return the number of records in each bucket (int32)."""
        return pc.subtract(self.bounds.slice(1), self.bounds.slice(0, len(self)))

    def keys(self, template: Template) -> list[Piece]:
        """Return the pieces of the buckets' keys; ``template`` has ``{#}`` and no other field."""
        numbers = self.numbers.cast(pa.string()).cast(BINARY)
        return [numbers if isinstance(part, Field) else part for part in template.parts]

    def joined(self, pieces: Sequence[Any]) -> pa.Array:
        """Join pieces record by record (for ``join_lookups``); return what each bucket's records make."""
        return join_runs(pieces, self.bounds, len(self.fields))

    def without(self, marked: pa.Array) -> pa.Array:
        """Return which buckets have none of the ``marked`` records."""
        return runs_without(marked, self.bounds)

    def some(self, indices: pa.Array, column: pa.Array) -> tuple[Buckets, pa.Array]:
        """Return the buckets at ``indices`` and what a column of all records holds of theirs."""
        runs = Runs(self.bounds, (self.fields, column)).some(indices)
        fields, kept = runs.columns
        return Buckets(self.size, self.numbers.take(indices), runs.bounds, fields), kept

    @property
    def arguments(self) -> Any:
        """Return the fields as arguments of commands, a piece for ``lookup.join_lookups``."""
        return lookup(_field_argument, self.fields, self.size - 1)

    @property
    def elements(self) -> Any:
        """Return the fields as elements of listpacks, a piece for ``lookup.join_lookups``."""
        return lookup(_field_element, self.fields, self.size - 1)


def buckets_of(numbers: pa.Array, size: int) -> Buckets:
    """Return the buckets of ``size`` for records of these numbers (int64, ascending, one at least)."""
    per_record = pc.divide(numbers, pa.scalar(size, pa.int64()))
    fields = pc.subtract(numbers, pc.multiply(per_record, pa.scalar(size, pa.int64())))
    last = len(numbers) - 1
    changes = pc.indices_nonzero(pc.not_equal(per_record.slice(1), per_record.slice(0, last)))
    starts = pa.concat_arrays([_FIRST, pc.add(changes.cast(pa.int32()), pa.scalar(1, pa.int32()))])
    return Buckets(
        size=size,
        numbers=per_record.take(starts),
        bounds=pa.concat_arrays([starts, pa.array([last + 1], pa.int32())]),
        fields=fields.cast(pa.int32()),
    )


def bucket_keys(key: Template, batch: Batch, size: int) -> pa.Array:
    """Return the key (``binary``) of the bucket of each record."""
    numbers = pc.divide(batch.numbers, pa.scalar(size, pa.int64())).cast(pa.string()).cast(BINARY)
    return join_column([numbers if isinstance(part, Field) else part for part in key.parts], len(batch))


def value_arguments(values: pa.Array) -> list[Any]:
    """Return values (``binary``, no null) as arguments or as bulk replies, pieces for ``join_lookups``."""
    lengths = pc.binary_length(values)
    return [lookup(_value_head, lengths, pc.max(lengths).as_py()), values]


def _field_argument(field: int) -> bytes:
    return argument(b"%d" % field)


def _field_element(field: int) -> bytes:
    return element(b"%d" % field)


def _value_head(length: int) -> bytes:
    return b"\r\n$%d\r\n" % length
