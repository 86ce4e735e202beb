"""Lists: ``RPUSH {key} {value}``, https://redis.io/docs/latest/commands/rpush/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.list_values import ListLayout
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder


class ListType(OneCommandType):
    """A record is an element, or those of an array field.

    What is pushed twice is there twice, so it goes through a fence.
    """

    options = ("value",)
    takes_members = True

    def command(self, mapping: RecordMapping) -> Command:
        return command("RPUSH", mapping.key, mapping.value)

    def adds_up(self, mapping: RecordMapping) -> bool:
        return mapping.if_exists == "merge"

    def repeatable(self, mapping: RecordMapping) -> bool:
        return False

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """A record has the whole list: all elements of an array field, or one."""
        layout = ListLayout(mapping.value, version)
        return RdbEntriesEncoder(self.single(mapping), mapping.key, layout, mapping.expiry, base_ms)


TYPE = ListType()
