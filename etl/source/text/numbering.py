"""The numbers of records, where only the beginning of their block is known."""

from __future__ import annotations

import pyarrow as pa

from etl.source.text.format import Origin


def number_column(first_record: int | None, records: int) -> pa.Array | None:
    """Return the numbers of consecutive records as int64, or None if unknown."""
    return None if first_record is None else pa.arange(first_record, first_record + records)


def record_number(origin: Origin, index: int) -> int | None:
    """Return the number of the record ``index`` behind the origin, or None if unknown."""
    return None if origin.first_record is None else origin.first_record + index
