"""Commands whose effect can be compared: from a command template to the check of what it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etl.encode.resp.command import Command
from etl.encode.verify.check import Check
from etl.encode.verify.hash import HashCheck
from etl.encode.verify.items import ItemsCheck
from etl.encode.verify.json import JsonCheck
from etl.encode.verify.list import ListCheck
from etl.encode.verify.read_commands import FIELD, MEMBER, PLACE, STRING, ReadCommand, score_command
from etl.errors import UsageError
from etl.template import Field, Template


def check_of(command: Command) -> Check | None:
    """Make the check of what a command writes; None for one that writes no values."""
    if command.name in _PASSED_OVER:
        return None
    make = _CHECKS.get(command.name)
    name = command.name.decode("utf-8", "replace")
    if make is None:
        raise UsageError(f"verify cannot compare what {name} has written. {POSSIBLE}")
    check = make(command)
    if check is None:
        words = b" ".join(_written(word) for word in command.words).decode("utf-8", "replace")
        raise UsageError(f"verify cannot compare what {words!r} has written: its arguments are not plain")
    return check


def _written(word: Template) -> bytes:
    parts = (b"{%b}" % part.name.encode() if isinstance(part, Field) else part for part in word.parts)
    return b"".join(part for part in parts if isinstance(part, bytes))


def _set(command: Command) -> Check | None:
    return _string(command.arguments[:2])


def _setex(command: Command) -> Check | None:
    return _string((*command.arguments[:1], *command.arguments[2:3]))


def _string(words: tuple[Template, ...]) -> Check | None:
    if len(words) != 2 or any(word.spreads for word in words):
        return None
    return ItemsCheck(STRING, None, words)


def _mset(command: Command) -> Check | None:
    return ItemsCheck(STRING, None, command.arguments) if _even(command.arguments, 2) else None


def _hash(command: Command) -> Check | None:
    key, *words = command.arguments
    if key.spreads or not _even(words, 2):
        return None
    spread = any(word.spreads for word in words)
    if any(word.lists for word in words) or not _aligned(words) or (key.constant and not spread):
        return ItemsCheck(FIELD, key, tuple(words))
    return HashCheck(key, tuple(words), exact=False)


def _aligned(words: Sequence[Template]) -> bool:
    """Return True if each ``{*}`` stands where a name is due."""
    place = 0
    for word in words:
        if word.everything and place % 2:
            return False
        place += 0 if word.everything else 1
    return True


def _json(command: Command) -> Check | None:
    if len(command.arguments) < 3 or any(word.spreads for word in command.arguments):
        return None
    key, path, value = command.arguments[:3]
    if path.parts and not isinstance(path.parts[0], bytes):
        return None
    return JsonCheck(key, path, value, merge=command.name == b"JSON.MERGE")


def _zset(command: Command) -> Check | None:
    if b"INCR" in command.flags:
        return None
    return _members(command, score_command(command.flags))


def _members(command: Command, read: ReadCommand) -> Check | None:
    key, *words = command.arguments
    words = words[len(command.flags) :]
    if key.spreads or not _even(words, read.each):
        return None
    return ItemsCheck(read, key, tuple(words))


def _elements(command: Command) -> Check | None:
    key, *words = command.arguments
    return None if key.spreads or not words else ListCheck(key, tuple(words))


def _even(words: Sequence[Template], each: int) -> bool:
    if any(word.spreads for word in words):
        return True
    return len(words) > 0 and len(words) % each == 0


_PASSED_OVER = frozenset(
    (b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT", b"PERSIST", b"DEL", b"UNLINK"),
)
"""Commands that write no values of their own."""

_CHECKS: dict[bytes, Callable[[Command], Check | None]] = {
    b"SET": _set,
    b"SETNX": _set,
    b"SETEX": _setex,
    b"PSETEX": _setex,
    b"MSET": _mset,
    b"MSETNX": _mset,
    b"HSET": _hash,
    b"HMSET": _hash,
    b"HSETNX": _hash,
    b"JSON.SET": _json,
    b"JSON.MERGE": _json,
    b"SADD": lambda command: _members(command, MEMBER),
    b"ZADD": _zset,
    b"GEOADD": lambda command: _members(command, PLACE),
    b"RPUSH": lambda command: _elements(command),
    b"LPUSH": lambda command: _elements(command),
}

POSSIBLE = f"It compares what these write: {', '.join(sorted(name.decode() for name in _CHECKS))}"
