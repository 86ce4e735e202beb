"""Lists: ``RPUSH {key} {value}``, https://redis.io/docs/latest/commands/rpush/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.resp.command import Command, command


class ListType(OneCommandType):
    """A record is an element. What is pushed twice is there twice, so it goes through a fence."""

    options = ("value",)

    def command(self, mapping: RecordMapping) -> Command:
        return command("RPUSH", mapping.key, mapping.value)

    def adds_up(self, mapping: RecordMapping) -> bool:
        return mapping.if_exists == "merge"

    def repeatable(self, mapping: RecordMapping) -> bool:
        return False


TYPE = ListType()
