"""``--command``: what a record becomes where no type says it. It stands beside the shelf of types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl.encode.mapping import RecordMapping, RedisType
from etl.encode.resp.command import Command, repeatable
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
        from etl.encode.verify.command import POSSIBLE  # a load needs none of it

        checks = checks_of(mapping.commands, clustered=mapping.clustered)
        if not checks:
            names = ", ".join(command.name.decode("utf-8", "replace") for command in mapping.commands)
            raise UsageError(f"verify has nothing to compare: {names} adds no values. {POSSIBLE}")
        return checks

    def adds_up(self, mapping: RecordMapping) -> bool:
        return not all(repeatable(command) for command in mapping.commands)

    def repeatable(self, mapping: RecordMapping) -> bool:
        return not self.adds_up(mapping)


def checks_of(commands: Sequence[Command], *, clustered: bool = True) -> tuple[Check, ...]:
    """Return what compares the values that commands write; ``clustered``: with one key in each question."""
    from etl.encode.verify.command import check_of
    from etl.encode.verify.items import ItemsCheck
    from etl.encode.verify.read_commands import ONE_STRING, STRING

    checks = [check for command in commands if (check := check_of(command)) is not None]
    return tuple(
        replace(check, read=ONE_STRING)
        if clustered and isinstance(check, ItemsCheck) and check.read is STRING
        else check
        for check in checks
    )


COMMANDS = CommandsType()
