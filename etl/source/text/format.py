"""Formats made of text: what each of them is, and the two ways in which its bytes arrive.

NOTE(scan): a block starts at a record's start, so a format needs no memory of what came before: given bytes
from such a point on, ``scan`` says how many of them are whole records, and how many records those are.
Planning a file and cutting a stream use the same scan; what it leaves over starts the next block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from etl.errors import SourceError
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
        """Return the bytes of ``data`` that are whole records, and their number: see NOTE(scan).

        ``(0, 0)`` where not one record is whole. With ``final`` nothing follows ``data``: all of it counts.
        Raises BrokenTextError where records can no longer be told apart.
        """

    def end_of_long(self, data: bytes, *, first: bool) -> int:
        """Return how many bytes of ``data`` still belong to a record that is too long to be kept.

        ``data`` begins with the record (``first``: then it has no end in there) or continues it. 0 where the
        record does not end in there. Raises BrokenTextError where only the whole record would tell its end.
        """

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        """Turn whole records into a batch; a record that cannot be parsed becomes a Reject of the batch.

        Raises WideError where the records have too few fields in common: ``parse_in_parts`` cuts them apart.
        """

    def originals(self, data: bytes, indices: Sequence[int], origin: Origin) -> list[Reject]:
        """Return records of ``data`` as they stand there, without a reason, in one pass.

        ``indices`` ascend, each once, and count as ``scan`` counts, rejects too. Raises IndexError.
        """


class BrokenTextError(SourceError):
    """Raised by ``scan``: at byte ``at`` of its data records cannot be told apart any more."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason, at)
        self.reason = reason
        self.at = at

    def __str__(self) -> str:
        return self.reason

    def placed(self, file: str, start: int) -> SourceError:
        """Return the error with its place, for data that begins at byte ``start`` of ``file``."""
        return SourceError(f"{file}: at byte {start + self.at:,} {self.reason}")


def scan_at(format: TextFormat, data: bytes, *, final: bool, file: str, start: int) -> tuple[int, int]:
    """Scan data that begins at byte ``start`` of ``file``. Raises SourceError with the place in it."""
    try:
        return format.scan(data, final=final)
    except BrokenTextError as error:
        raise error.placed(file, start) from None


Place = TypeVar("Place")


def chosen(places: Iterable[Place], indices: Sequence[int]) -> Iterator[tuple[int, Place]]:
    """Yield the places at ``indices`` (ascending), each with its index; stop behind the last of them.

    Raises IndexError where there are fewer places.
    """
    wanted = iter(indices)
    index = next(wanted, None)
    if index is None:
        return
    for number, place in enumerate(places):
        if number == index:
            yield number, place
            index = next(wanted, None)
            if index is None:
                return
    raise IndexError(f"there is no record {index} in the block")


class WideError(Exception):
    """Raised by ``parse``: the records have ``columns`` different fields, too many for one batch."""

    def __init__(self, columns: int) -> None:
        super().__init__(columns)
        self.columns = columns
