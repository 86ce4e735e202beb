"""Records of tables that are longer than ``--max-record``: found before text is made of them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from etl.plan import Batch, Reject
from etl.source.table.batch import batches_of, records_json
from etl.source.table.layout import Layout
from etl.source.text.long_records import KEPT_BYTES, long_record
from etl.source.value.size import array_bytes, decoded_bytes


def bounded_batches(
    records: pa.RecordBatch, layout: Layout, first_record: int | None, *, file: str, max_record: int
) -> Iterator[Batch]:
    """Yield what ``batches_of`` does, without records of more than ``max_record`` bytes: these are rejects.

    What counts is what is wanted of a record. The reject has those fields of it that are short.
    """
    names = [layout.schema.names[index] for index in layout.columns]
    if sum(array_bytes(records.column(name)) for name in names) <= max_record:
        yield from batches_of(records, layout, first_record)
        return
    waiting = [(0, len(records))]
    while waiting:
        start, length = waiting.pop()
        some = records.slice(start, length)
        nbytes = sum(decoded_bytes(some.column(name)) for name in names)
        number = None if first_record is None else first_record + start
        if nbytes <= max_record:
            yield from batches_of(some, layout, number)
        elif length == 1:
            short = [name for name in names if array_bytes(some.column(name)) <= KEPT_BYTES]
            raw = b"{}"
            if short:
                raw = next(records_json([some.select(short)], [0]))[1]
            found = Reject(file, number, None, "", raw)
            yield long_record(found, nbytes=nbytes, max_record=max_record, whole=True)
        else:
            half = length // 2
            waiting += [(start + half, length - half), (start, half)]
