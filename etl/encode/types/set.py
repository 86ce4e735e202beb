"""Sets: ``SADD {key} {value}``, https://redis.io/docs/latest/commands/sadd/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.resp.command import Command, command


class SetType(OneCommandType):
    """A record is a member."""

    options = ("value",)

    def command(self, mapping: RecordMapping) -> Command:
        return command("SADD", mapping.key, mapping.value)


TYPE = SetType()
