"""``--command``: what a record becomes where no type says it. It stands beside the shelf of types."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.resp.command import repeatable
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.strategies.merged import MembersEncoder, mergeable, takes_many_keys
from etl.encode.verify.check import Check
from etl.errors import UsageError
from etl.plan import Encoder


class CommandsType(RedisType):
    """Any commands, in their order, for each record; they always add to what is there."""

    def encoder(self, mapping: RecordMapping) -> Encoder:
        (first, *more) = mapping.commands
        merges = not more and mergeable(first) and not (mapping.clustered and takes_many_keys(first))
        return MembersEncoder(first) if merges else self.single(mapping)

    def single(self, mapping: RecordMapping) -> Encoder:
        return CommandsEncoder(mapping.commands)

    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        return None

    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        from etl.encode.verify.command import POSSIBLE, check_of  # a load needs none of it

        checks = tuple(check for command in mapping.commands if (check := check_of(command)) is not None)
        if not checks:
            names = ", ".join(command.name.decode("utf-8", "replace") for command in mapping.commands)
            raise UsageError(f"verify has nothing to compare: {names} adds no values. {POSSIBLE}")
        return checks

    def adds_up(self, mapping: RecordMapping) -> bool:
        return not all(repeatable(command) for command in mapping.commands)

    def repeatable(self, mapping: RecordMapping) -> bool:
        return not self.adds_up(mapping)


COMMANDS = CommandsType()
