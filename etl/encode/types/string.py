"""Strings: ``MSET`` of many, or ``SET`` with what MSET cannot say; packed, many of them to a hash.

https://redis.io/docs/latest/commands/mset/, https://redis.io/docs/latest/commands/set/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from etl.encode.mapping import Expiry, RecordMapping, RedisType
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.hashes import LISTPACK, HashEncoding, hash_encoding
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.packed import PackEncoder
from etl.encode.strategies.rdb_buckets import RdbBucketsEncoder
from etl.encode.strategies.rdb_entries import RdbEntriesEncoder, StringLayout
from etl.encode.strategies.set import SetEncoder
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.encode.verify.check import Check
from etl.errors import UsageError
from etl.plan import Encoder
from etl.template import NUMBER, Field, Template


class StringType(RedisType):
    """A record is a string, or with ``--pack`` one of many in a hash."""

    options = ("value", "pack", "wire")
    requires: ClassVar[Mapping[str, str]] = {"wire": "pack"}
    holds_one_record = True
    overwrites = True

    def encoder(self, mapping: RecordMapping) -> Encoder:
        if mapping.pack is not None:
            return _packed(mapping, mapping.pack)
        if mapping.if_exists == "merge":
            raise UsageError("--if-exists merge has no meaning for a string: it is one value")
        if mapping.expiry is None and mapping.if_exists == "replace":
            strings = SlotMsetEncoder if mapping.clustered else MsetEncoder
            return strings(mapping.key, mapping.value)
        expiry = mapping.expiry.words if mapping.expiry else ()
        return SetEncoder(mapping.key, mapping.value, expiry, mapping.if_exists)

    def single(self, mapping: RecordMapping) -> Encoder:
        """Of an MSET's records none is at fault alone; a bucket is cleared of what is in its place."""
        if mapping.pack is not None:
            return replace(_packed(mapping, mapping.pack), restores=False, clears=True)
        return self.encoder(mapping)

    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        """The commands themselves overwrite, or see what is there."""
        return None

    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.items import ItemsCheck  # a load needs none of these
        from etl.encode.verify.packed import PackCheck
        from etl.encode.verify.read_commands import ONE_STRING, STRING

        if mapping.pack is not None:
            return (PackCheck(mapping.key, mapping.value, mapping.pack),)
        read = ONE_STRING if mapping.clustered else STRING
        return (ItemsCheck(read, None, (mapping.key, mapping.value)),)

    def hash_encodings(self, mapping: RecordMapping) -> tuple[HashEncoding, ...]:
        """Buckets are only written as listpacks."""
        return (LISTPACK,) if mapping.pack is not None and mapping.if_exists == "replace" else ()

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        if mapping.pack is None:
            load, layout = self.single(mapping), StringLayout(mapping.value)
            return RdbEntriesEncoder(load, mapping.key, layout, mapping.expiry, base_ms)
        packed = _packed(mapping, mapping.pack)
        ttl = int(packed.ttl or 0) + (0 if packed.absolute else base_ms)
        return RdbBucketsEncoder(packed, hash_encoding(version), ttl if packed.ttl else None)

    def repeatable(self, mapping: RecordMapping) -> bool:
        """A SET NX finds, the second time, the key that it has made itself."""
        return mapping.if_exists not in ("skip", "fail")


def _packed(mapping: RecordMapping, size: int) -> PackEncoder:
    if [part for part in mapping.key.parts if isinstance(part, Field)] != [Field(NUMBER)]:
        raise UsageError("--pack goes by the record's number: --key has {#} once and no other field")
    if mapping.if_exists in ("skip", "fail"):
        raise UsageError(
            f"--if-exists {mapping.if_exists} has no meaning with --pack: a key is there for many records"
        )
    return PackEncoder(
        mapping.key,
        mapping.value,
        size,
        ttl=_milliseconds(mapping.expiry),
        absolute=mapping.expiry is not None and mapping.expiry.word.endswith("AT"),
        replaces=mapping.if_exists == "replace",
        restores=mapping.restores is LISTPACK,
    )


def _milliseconds(expiry: Expiry | None) -> bytes:
    if expiry is None:
        return b""
    if not expiry.value.constant:
        raise UsageError("--pack lets many strings expire as one: the expiry cannot name a field")
    return _constant(expiry.value) + (b"" if expiry.word.startswith("P") else b"000")


def _constant(template: Template) -> bytes:
    return b"".join(part for part in template.parts if isinstance(part, bytes))


TYPE = StringType()
