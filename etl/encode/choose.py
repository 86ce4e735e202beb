"""The doors of this package: from a type's name to the type, and from a mapping to what verifies it."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.commands import checks_of
from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.verify.checker import Checker
from etl.options.shelves import TYPES
from etl.plan import Encoder


def type_named(name: str) -> RedisType:
    """Return the type of that name (``--as``). Raises UsageError where there is none."""
    chosen: RedisType = TYPES.member(name).TYPE
    return chosen


def by_key(encoder: Encoder) -> tuple[Encoder, ...]:
    """Return encoders that together do what ``encoder`` does, each with one key a record."""
    if isinstance(encoder, CommandsEncoder):
        return encoder.by_key()
    if isinstance(encoder, Checker) and isinstance(encoder.load, CommandsEncoder):
        loads = encoder.load.by_key()
        if len(loads) > 1:
            checkers = [replace(encoder, load=load, checks=checks_of(load.commands)) for load in loads]
            return tuple(checker for checker in checkers if checker.checks)
    return (encoder,)


def checker(mapping: RecordMapping, seed: int = 0) -> Checker:
    """Return the encoder that compares; ``seed`` is a random number of the run, for digests of lists.

    Raises UsageError for what cannot be compared, and says what can.
    """
    return Checker(mapping.encoder(), mapping.type.checks(mapping), seed)
