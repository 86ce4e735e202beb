"""The doors of this package: from a type's name to the type, and from a mapping to what verifies it."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.verify.checker import Checker
from etl.options.shelves import TYPES


def type_named(name: str) -> RedisType:
    """Return the type of that name (``--as``). Raises UsageError where there is none."""
    chosen: RedisType = TYPES.member(name).TYPE
    return chosen


def checker(mapping: RecordMapping, seed: int = 0) -> Checker:
    """Return the encoder that compares; ``seed`` is a random number of the run, for digests of lists.

    Raises UsageError for what cannot be compared, and says what can.
    """
    return Checker(mapping.encoder(), mapping.type.checks(mapping), seed)
