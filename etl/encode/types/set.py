"""Sets: ``SADD {key} {value}``, https://redis.io/docs/latest/commands/sadd/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.set_values import SetLayout
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder


class SetType(OneCommandType):
    """A record is a member, or those of an array field."""

    options = ("value",)
    takes_members = True

    def command(self, mapping: RecordMapping) -> Command:
        return command("SADD", mapping.key, mapping.value)

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """A record has the whole set: all members of an array field, or one."""
        layout = SetLayout(mapping.value, version)
        return RdbEntriesEncoder(self.single(mapping), mapping.key, layout, mapping.expiry, base_ms)


TYPE = SetType()
