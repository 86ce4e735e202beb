"""A stream of record batches from somebody else's library, begun for its schema and read later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from etl.errors import EtlError, SourceError
from etl.source.table.errors import first_sentence
from etl.source.table.stream import Portion
from etl.source.table.types import with_put_aside
from etl.source.value.size import batch_bytes

Batches = Iterator[pa.RecordBatch]


class TableInput:
    """A table's records (an Input, ``etl/source/table/stream.py``), read once to the end, or more often."""

    def __init__(
        self, begin: Callable[[], tuple[pa.Schema, Batches]], name: str, *, repeatable: bool
    ) -> None:
        self._begin = begin
        self._name = name
        self._repeatable = repeatable
        self._begun: Batches | None = None
        self.schema, self._begun = self._guarded(begin)

    def portions(self) -> Iterator[Portion]:
        batches, self._begun = self._begun, None
        if batches is None:
            if not self._repeatable:
                raise SourceError(f"{self._name} gives its records once, and has given them: make a new one")
            _, batches = self._guarded(self._begin)
        while (records := self._guarded(lambda: next(batches, None))) is not None:
            records = with_put_aside(records, records.schema)
            yield Portion(0, records, batch_bytes(records))

    def verify_unchanged(self) -> None:
        """Whether an object was changed is unknown."""

    def _guarded(self, step: Callable[[], Any]) -> Any:
        """Take a step in the library that the table is of, whose errors are of any type."""
        try:
            return step()
        except EtlError:
            raise
        except Exception as error:
            raise SourceError(f"{self._name} cannot be read: {first_sentence(error)}") from error
