"""Types to whose keys one command adds a record: ``RPUSH``, ``SADD``, ``HSET`` and their like."""

from __future__ import annotations

from abc import abstractmethod

from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.resp.command import Command
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.strategies.merged import MembersEncoder, mergeable
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.encode.verify.check import Check
from etl.plan import Encoder


class OneCommandType(RedisType):
    """A type with a ``command``: records for one constant key travel in commands of many members."""

    @abstractmethod
    def command(self, mapping: RecordMapping) -> Command:
        """Return the command that adds one record."""

    def first(self, mapping: RecordMapping) -> tuple[Command, ...]:
        """Return the commands that go before each record's own; here none."""
        return ()

    def encoder(self, mapping: RecordMapping) -> Encoder:
        adding = self.command(mapping)
        expire = mapping.expiry.command(mapping.key) if mapping.expiry else None
        if mergeable(adding) and (expire is None or all(word.constant for word in expire.words)):
            return MembersEncoder(adding, expire)
        return self.single(mapping)

    def single(self, mapping: RecordMapping) -> Encoder:
        commands = (*self.first(mapping), self.command(mapping))
        if mapping.expiry is None:
            return CommandsEncoder(commands)
        return CommandsEncoder((*commands, mapping.expiry.command(mapping.key)), (mapping.expiry.value,))

    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        """Return what deletes the keys that are to be replaced, or looks for those that are there."""
        if mapping.if_exists == "merge":
            return None
        if mapping.if_exists == "replace":
            return ClearEncoder(mapping.key, alone=mapping.clustered)
        return ProbeEncoder(mapping.key, refuse=mapping.if_exists == "fail")

    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.command import check_of  # a load needs none of it

        check = check_of(self.command(mapping))
        return () if check is None else (check,)
