"""What the template of a key says by itself: whether keys are unique, and what tells two of them apart."""

from __future__ import annotations

import pyarrow as pa

from etl.encode.resp.columns import key_column
from etl.plan import Batch
from etl.template import NUMBER, Field, Part, Template

_DIGITS = frozenset(b"0123456789")


def keys_are_unique(key: Template) -> bool:
    """Return True if no two records can have the same key, whatever their fields hold.

    That is so where a record's number can be read back from its key: equal keys have equal numbers then, and
    no two records have the same. A number is digits and nothing else. It can be read back where all before it
    is constant, and what follows is all constant or begins with a constant that begins with no digit; or the
    same seen from the end.
    """
    parts = key.parts
    return any(
        (_all_constant(parts[:place]) and _is_delimited(parts[place + 1 :], 0))
        or (_all_constant(parts[place + 1 :]) and _is_delimited(parts[:place], -1))
        for place, part in enumerate(parts)
        if part == Field(NUMBER)
    )


def _all_constant(parts: tuple[Part, ...]) -> bool:
    return all(isinstance(part, bytes) for part in parts)


def _is_delimited(parts: tuple[Part, ...], side: int) -> bool:
    """Return True if a number ends where ``parts`` begin (``side`` 0), or begins where they end (-1)."""
    if _all_constant(parts):
        return True
    neighbour = parts[side]
    return isinstance(neighbour, bytes) and neighbour[side] not in _DIGITS


def identity_column(key: Template, batch: Batch) -> pa.Array:
    """Return bytes for each record (``binary``) that are equal where its keys are; no field may be missing.

    Of a key with one field that is the field: with the same constants around it, other text is another key.
    To join keys costs more than to hash them.
    """
    fields = dict.fromkeys(part for part in key.parts if not isinstance(part, bytes))
    return key_column(Template(tuple(fields)) if len(fields) == 1 else key, batch)
