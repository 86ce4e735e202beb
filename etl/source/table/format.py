"""The contract of a table format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from etl.source.table.layout import Layout


@dataclass(frozen=True, slots=True)
class Group:
    """Records that a file holds together; ``weight`` is their size, in a unit of the format's own."""

    records: int
    weight: int


class Table(Protocol):
    """One open file. What it raises, pyarrow raised; TableFiles says which file it was."""

    @property
    def schema(self) -> pa.Schema: ...

    def groups(self) -> Sequence[Group]:
        """Say what the file is made of."""

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        """Return a group's records from the record ``skip`` on, with what ``layout`` needs, few at a time."""

    def close(self) -> None:
        """Close the file."""


class TableFormat(Protocol):
    """A format of tables: frozen, picklable. ``name`` is the word for messages."""

    @property
    def name(self) -> str: ...

    def open(self, path: str) -> Table:
        """Open a file and read what describes it. Raises SourceError for what is another format."""
