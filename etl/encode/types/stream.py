"""Streams: ``XADD {key} * {*}``, https://redis.io/docs/latest/commands/xadd/."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.stream_values import StreamLayout
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder
from etl.encode.verify.check import Check
from etl.errors import UsageError
from etl.template import ALL, Field, Template


class StreamType(OneCommandType):
    """A record is an entry of all its fields; the server chooses its id."""

    def command(self, mapping: RecordMapping) -> Command:
        return command("XADD", mapping.key, Template((b"*",)), Template((Field(ALL),)))

    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        raise UsageError(
            "verify cannot compare a stream: Redis finds an entry by its id only, and the server chose it"
        )

    def adds_up(self, mapping: RecordMapping) -> bool:
        return mapping.if_exists == "merge"

    def repeatable(self, mapping: RecordMapping) -> bool:
        return False

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """A record is a stream of one entry, whose id is ``base_ms``."""
        layout = StreamLayout(base_ms)
        return RdbEntriesEncoder(self.single(mapping), mapping.key, layout, mapping.expiry, base_ms)


TYPE = StreamType()
