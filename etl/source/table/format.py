"""The contract of a table format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from etl.source.table.layout import Layout

BATCH_RECORDS = 16_384
"""The most records that are read at a time: as fast as any bigger number here, and little memory."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records that a file holds together; ``weight`` is their size, in a unit of the format's own."""

    records: int
    weight: int


class Table(Protocol):
    """One open file. What it raises, pyarrow raised, or a ValueError: whose it is says which file it was."""

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def group_count(self) -> int:
        """How many groups of records the file has, none of them needed to open it."""

    def group(self, index: int) -> Group:
        """Return what a group is made of, for plans and progress."""

    def read(self, group: int, skip: int, layout: Layout) -> Iterator[pa.RecordBatch]:
        """Yield a group's records from the record ``skip`` on, at most BATCH_RECORDS at a time.

        They need to have no other columns than those that ``layout`` needs; with none at all, they count.
        """

    def close(self) -> None:
        """Close the file."""


class TableFormat(Protocol):
    """A format of tables: frozen, picklable. ``name`` is the word for messages."""

    @property
    def name(self) -> str: ...

    def open(self, file: str | pa.NativeFile) -> Table:
        """Open a path, or a remote file that is open already, and read what describes it.

        A file of another format is a ValueError (pyarrow's own are), with the rest of a sentence.
        """
