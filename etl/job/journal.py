"""The journal beside files that are built: what an earlier run has noted, and what this one notes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from etl.errors import TargetError
from etl.plan import JOURNAL, journal_bytes, journal_entries, journal_entry
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import RANGE, Range, parse_range

Pairs = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Noted:
    """What a journal says: fields, as the record of a job in a server has them, and ranges of the files."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)


def read_journal(paths: Paths) -> Noted:
    """Return what is noted; nothing where there is no journal. Raises TargetError."""
    noted = Noted()
    try:
        with open(paths.journal, "rb") as journal:
            data = journal.read()
        for entry in journal_entries(data):
            for name, value in entry:
                if name == RANGE:
                    noted.ranges.append(parse_range(value))
                else:
                    noted.fields[name] = value
    except FileNotFoundError:
        pass
    except OSError as error:
        raise paths.failure(error) from None
    except ValueError as error:
        raise TargetError(
            f"{paths.journal} is no journal of a build: {error}; give --restart to build from the beginning"
        ) from None
    return noted


def begin_journal(paths: Paths, rooms: Sequence[int], pairs: Pairs) -> None:
    """Begin files anew, each with room for its header, and their journal. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):  # first: it speaks of what is taken away
        os.unlink(paths.journal)
    for partial, room in zip(paths.partials, rooms, strict=True):
        with open(partial, "ab") as opened:
            opened.truncate(0)
            opened.truncate(room)
    made = f"{paths.journal}.new"
    with open(made, "wb") as journal:
        journal.write(JOURNAL + journal_entry(pairs))
    os.replace(made, paths.journal)


def note(paths: Paths, pairs: Pairs) -> None:
    """Write an entry after the last whole one; no worker may write meanwhile. Raises OSError."""
    entry = journal_entry(pairs)
    with open(paths.journal, "r+b", buffering=0) as journal:
        journal.truncate(journal_bytes(journal.read()))
        journal.seek(0, os.SEEK_END)
        written = journal.write(entry)
        while written < len(entry):  # it says why, or goes on
            written += journal.write(entry[written:])


def is_begun(paths: Paths) -> bool:
    """Return True if all files are there, and have anything in them.

    An empty one has just been made: its journal is of a file that was complete, and has its own name now.
    """
    try:
        return all(os.path.getsize(partial) for partial in paths.partials)
    except FileNotFoundError:
        return False
