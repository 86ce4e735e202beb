"""The doors of this package: from a type's name to the type, and from a mapping to what verifies it.

Also from a mapping to what makes an RDB file of it.
"""

from __future__ import annotations

from dataclasses import replace

from etl.encode.commands import checks_of
from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.file import DEFAULT_VERSION
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.verify.checker import Checker
from etl.errors import UsageError
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


def rdb_encoder(mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
    """Return the encoder of the entries of an RDB file of this version (``encode/rdb/file.py``, VERSIONS).

    Expiries that say how long begin at ``base_ms``, milliseconds since 1970. Raises UsageError for what has
    no place in such a file. What it makes has each key of the records as often as they do: see
    ``one_record_a_key`` and ``encode/rdb/file.py``.
    """
    if mapping.commands:
        raise UsageError(
            "--command cannot be written into an RDB file, which holds keys and their values, not commands:"
            " say with --as, --key and --value what a record becomes"
        )
    if mapping.if_exists == "merge":
        raise UsageError(
            "--if-exists merge has nothing to merge with in an RDB file: use replace (the default), skip or"
            " fail, which say what becomes of records with the same key"
        )
    plain = replace(mapping, restores=None, clustered=False)
    return mapping.type.rdb_encoder(plain, version=version, base_ms=base_ms)


def one_record_a_key(mapping: RecordMapping) -> bool:
    """Return True if in an RDB file two records cannot share a key, as of a set no record is the later one.

    Of other types the later record replaces the earlier one.
    """
    return not mapping.type.holds_one_record


def rdb_checker(mapping: RecordMapping, seed: int = 0) -> Checker:
    """Return the encoder that compares what a server has that started from an RDB file; ``seed`` as below.

    Raises UsageError for what has no place in such a file, and for what cannot be compared.
    """
    load = rdb_encoder(mapping, version=DEFAULT_VERSION, base_ms=0)
    return Checker(load, mapping.type.rdb_checks(mapping), seed)


def checker(mapping: RecordMapping, seed: int = 0) -> Checker:
    """Return the encoder that compares; ``seed`` is a random number of the run, for digests of lists.

    Raises UsageError for what cannot be compared, and says what can.
    """
    return Checker(mapping.encoder(), mapping.type.checks(mapping), seed)
