"""Formats made of text: what each of them is, and the two ways in which its bytes arrive.

NOTE(scan): a block starts at a record's start, so a format needs no memory of what came before: given bytes
from such a point on, ``scan`` says how many of them are whole records, and how many records those are.
Planning a file and cutting a stream use the same scan; what it leaves over starts the next block.
"""

from __future__ import annotations

from typing import Protocol

from etl.plan import Batch, Projection, Reject


class Origin(Protocol):
    """Where the bytes given to ``parse`` stand: in which file, at which byte, from which record on."""

    @property
    def file(self) -> str: ...

    @property
    def offset(self) -> int: ...

    @property
    def first_record(self) -> int | None: ...


class TextFormat(Protocol):
    """A text format: frozen, picklable, no I/O."""

    @property
    def fields(self) -> tuple[str, ...] | None:
        """Names of the fields every record has; None where only the records tell."""

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[TextFormat, int] | None:
        """Look at a file's first bytes (a header, a BOM, an opening bracket).

        Gives the format as this file has it (with the header's fields) and the number of bytes to pass over;
        None where ``head`` is too short to tell (never when ``final``: then it is the whole file). Raises
        SourceError, naming ``file``, for what cannot be this format (UTF-16, duplicate column names, ...).
        """

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        """Give the bytes of ``data`` that are whole records, and their number: see NOTE(scan).

        ``(0, 0)`` where not one record is whole. With ``final`` nothing follows ``data``: all of it counts.
        """

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        """Turn whole records into a batch; a record that cannot be parsed becomes a Reject of the batch."""

    def original(self, data: bytes, index: int, origin: Origin) -> Reject:
        """Find record ``index`` of ``data`` (counted as ``scan`` counts, rejects too), without a reason."""
