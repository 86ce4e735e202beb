"""JSON documents: ``JSON.SET {key} $ {value}``, https://redis.io/docs/latest/commands/json.set/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder, StringLayout
from etl.encode.verify.check import Check
from etl.plan import Encoder
from etl.template import Template


class JsonType(OneCommandType):
    """A record is a document; merged (``JSON.MERGE``) it changes the members that it has."""

    options = ("value",)
    holds_one_record = True
    overwrites = True

    def command(self, mapping: RecordMapping) -> Command:
        name = "JSON.MERGE" if mapping.if_exists == "merge" else "JSON.SET"
        return command(name, mapping.key, Template((b"$",)), mapping.value)

    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        return None if mapping.if_exists == "replace" else super().prepass(mapping)

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """A string: how a module keeps documents is its own matter, and changes with it."""
        load = self.single(mapping)
        return RdbEntriesEncoder(load, mapping.key, StringLayout(mapping.value), mapping.expiry, base_ms)

    def rdb_checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.items import ItemsCheck  # a load needs none of these
        from etl.encode.verify.read_commands import STRING

        return (ItemsCheck(STRING, None, (mapping.key, mapping.value)),)


TYPE = JsonType()
