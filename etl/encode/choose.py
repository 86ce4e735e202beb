"""From a mapping to the encoder that compares: the door to ``verify/``."""

from __future__ import annotations

from etl.encode.mapping import RecordMapping
from etl.encode.verify.check import Check
from etl.encode.verify.checker import Checker
from etl.encode.verify.command import POSSIBLE, check_of
from etl.encode.verify.hash import HashCheck
from etl.encode.verify.items import ItemsCheck
from etl.encode.verify.packed import PackCheck
from etl.encode.verify.read_commands import STRING
from etl.errors import UsageError


def checker(mapping: RecordMapping, seed: int = 0) -> Checker:
    """Make the encoder that compares; ``seed`` is a random number of the run, for digests of lists.

    Raises UsageError for what cannot be compared, and says what can.
    """
    if mapping.commands:
        checks = [check for command in mapping.commands if (check := check_of(command)) is not None]
        if not checks:
            names = ", ".join(command.name.decode("utf-8", "replace") for command in mapping.commands)
            raise UsageError(f"verify has nothing to compare: {names} adds no values. {POSSIBLE}")
        return Checker(mapping.encoder(), tuple(checks), seed)
    if mapping.kind == "stream":
        raise UsageError(
            "verify cannot compare a stream: Redis finds an entry by its id only, and the server has given it"
        )
    return Checker(mapping.encoder(), (_check_of_kind(mapping),), seed)


def _check_of_kind(mapping: RecordMapping) -> Check:
    if mapping.pack is not None:
        return PackCheck(mapping.key, mapping.value, mapping.pack)
    if mapping.kind == "string":
        return ItemsCheck(STRING, None, (mapping.key, mapping.value))
    main = mapping.main_command()
    if mapping.kind == "hash":
        return HashCheck(mapping.key, main.arguments[1:], exact=mapping.if_exists == "replace")
    check = check_of(main)
    assert check is not None
    return check
