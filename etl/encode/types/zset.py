"""Sorted sets: ``ZADD {key} {score} {value}``, https://redis.io/docs/latest/commands/zadd/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.zset_values import SortedSetLayout
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder
from etl.encode.strategies.rdb_sorted_sets import SortedSetRecords
from etl.encode.verify.check import Check
from etl.errors import UsageError


class SortedSetType(OneCommandType):
    """A record is a member with its score."""

    options = ("value", "score")
    takes_members = True

    def command(self, mapping: RecordMapping) -> Command:
        """Return the ZADD of one member. Raises UsageError for those of an array."""
        if mapping.value.spreads or mapping.score.spreads:
            raise UsageError(
                "--as zset takes the members of an array ({x[]}) for an RDB file only: for a server give each"
                ' member a record of its own, for example with --sql "SELECT ... unnest(...)"'
            )
        return command("ZADD", mapping.key, mapping.score, mapping.value)

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """A record has the whole sorted set: members and scores of two array fields, or one member."""
        load = SortedSetRecords(mapping.key, mapping.value, mapping.score, mapping.expiry)
        layout = SortedSetLayout(mapping.value, mapping.score, version)
        return RdbEntriesEncoder(load, mapping.key, layout, mapping.expiry, base_ms)

    def rdb_checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.read_commands import SCORE  # a load needs none of these
        from etl.encode.verify.scores import ScoresCheck

        return (ScoresCheck(SCORE, mapping.key, (mapping.score, mapping.value)),)


TYPE = SortedSetType()
