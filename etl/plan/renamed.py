"""The names of a table's fields after renaming: no two may be the same, or one of the two would be lost."""

from __future__ import annotations

from collections.abc import Sequence

from etl.errors import SourceError


def require_own_names(names: Sequence[str], file: str) -> None:
    """Raise SourceError where two of the fields that are wanted of a file have one name.

    Where there is one file only, ``projection_of`` has refused the options that say so.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(
            f"{file}: two fields would be named {twice!r}: rename the other one too, or exclude it"
        )
