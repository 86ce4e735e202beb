"""Sorted sets: ``ZADD {key} {score} {value}``, https://redis.io/docs/latest/commands/zadd/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.resp.command import Command, command


class SortedSetType(OneCommandType):
    """A record is a member with its score."""

    options = ("value", "score")

    def command(self, mapping: RecordMapping) -> Command:
        return command("ZADD", mapping.key, mapping.score, mapping.value)


TYPE = SortedSetType()
