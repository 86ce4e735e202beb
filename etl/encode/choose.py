"""From a mapping to the encoder that compares: the door to ``verify/``."""

from __future__ import annotations

from etl.encode.mapping import Shape
from etl.encode.verify.check import Check
from etl.encode.verify.checker import Checker
from etl.encode.verify.command import POSSIBLE, check_of
from etl.encode.verify.hash import HashCheck
from etl.encode.verify.items import ItemsCheck
from etl.encode.verify.packed import PackCheck
from etl.encode.verify.read_commands import STRING
from etl.errors import UsageError


def checker(shape: Shape, seed: int = 0) -> Checker:
    """Make the encoder that compares; ``seed`` is a random number of the run, for digests of lists.

    Raises UsageError for what cannot be compared, and says what can.
    """
    if shape.commands:
        checks = [check for command in shape.commands if (check := check_of(command)) is not None]
        if not checks:
            names = ", ".join(command.name.decode("utf-8", "replace") for command in shape.commands)
            raise UsageError(f"verify has nothing to compare: {names} adds no values. {POSSIBLE}")
        return Checker(shape.encoder(), tuple(checks), seed)
    if shape.kind == "stream":
        raise UsageError(
            "verify cannot compare a stream: Redis finds an entry by its id only, and the server has given it"
        )
    return Checker(shape.encoder(), (_check_of_kind(shape),), seed)


def _check_of_kind(shape: Shape) -> Check:
    if shape.pack is not None:
        return PackCheck(shape.key, shape.value, shape.pack)
    if shape.kind == "string":
        return ItemsCheck(STRING, None, (shape.key, shape.value))
    main = shape.main_command()
    if shape.kind == "hash":
        return HashCheck(shape.key, main.arguments[1:], exact=shape.if_exists == "replace")
    check = check_of(main)
    assert check is not None
    return check
