"""Hashes: ``HSET {key} {*}``, or finished ones by ``RESTORE`` where the server takes them.

https://redis.io/docs/latest/commands/hset/, https://redis.io/docs/latest/commands/restore/
"""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.one_command import OneCommandType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.hashes import HASH_ENCODINGS, HashEncoding, hash_encoding
from etl.encode.resp.command import Command, command
from etl.encode.strategies.rdb_entries import HashLayout, RdbEntriesEncoder
from etl.encode.strategies.restore import RestoreEncoder
from etl.encode.verify.check import Check
from etl.plan import Encoder
from etl.template import ALL, Field, Template


class HashType(OneCommandType):
    """A record is a hash of its fields; one that is replaced loses all others."""

    options = ("wire",)
    holds_one_record = True
    overwrites = True

    def command(self, mapping: RecordMapping) -> Command:
        return command("HSET", mapping.key, Template((Field(ALL),)))

    def first(self, mapping: RecordMapping) -> tuple[Command, ...]:
        # Tried: one DEL for 512 keys. It saved 4.5 % of a load, and left keys empty for longer.
        return (command("DEL", mapping.key),) if mapping.if_exists == "replace" else ()

    def encoder(self, mapping: RecordMapping) -> Encoder:
        return super().encoder(mapping) if mapping.restores is None else self.single(mapping)

    def single(self, mapping: RecordMapping) -> Encoder:
        if mapping.restores is None:
            return super().single(mapping)
        expiry = mapping.expiry.words if mapping.expiry else ()
        return RestoreEncoder(mapping.key, expiry, mapping.if_exists, mapping.restores)

    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        """RESTORE itself says which keys are there; HSET has a DEL before it where it replaces."""
        if mapping.restores is not None or mapping.if_exists == "replace":
            return None
        return super().prepass(mapping)

    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.hash import HashCheck  # a load needs none of it

        fields = self.command(mapping).arguments[1:]
        return (HashCheck(mapping.key, fields, exact=mapping.if_exists == "replace"),)

    def hash_encodings(self, mapping: RecordMapping) -> tuple[HashEncoding, ...]:
        return () if mapping.if_exists == "merge" else HASH_ENCODINGS

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        layout = HashLayout(hash_encoding(version))
        return RdbEntriesEncoder(self.single(mapping), mapping.key, layout, mapping.expiry, base_ms)

    def repeatable(self, mapping: RecordMapping) -> bool:
        """A RESTORE without REPLACE finds, the second time, the key that it has made itself."""
        return mapping.restores is None or mapping.if_exists == "replace"


TYPE = HashType()
