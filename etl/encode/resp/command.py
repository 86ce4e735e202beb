"""A command template: the words of one Redis command, literals and fields; and which commands it may be."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from itertools import takewhile

from etl.encode.resp.refused_commands import REFUSED
from etl.errors import UsageError
from etl.template import Template, parse_template

_FLAGS = {
    b"ZADD": frozenset((b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR")),
    b"GEOADD": frozenset((b"NX", b"XX", b"CH")),
}
"""Words that may stand between the key and the members."""


_KEY_IS_SECOND = frozenset((b"BITOP", b"XGROUP", b"LMPOP", b"ZMPOP"))


@dataclass(frozen=True, slots=True)
class Command:
    """One Redis command a record; ``words[0]``, its name, never comes from data."""

    words: tuple[Template, ...]

    @property
    def name(self) -> bytes:
        (name,) = self.words[0].parts
        assert isinstance(name, bytes)
        return name.upper()

    @property
    def arguments(self) -> tuple[Template, ...]:
        return self.words[1:]

    @property
    def key(self) -> Template:
        """Return the first key: the first argument, or the one after it where that is a word or a number."""
        place = 1 if self.name in _KEY_IS_SECOND and len(self.arguments) > 1 else 0
        return self.arguments[place]

    @property
    def flags(self) -> tuple[bytes, ...]:
        """The options between the key and the members: ``GT`` and ``CH`` of ``ZADD key GT CH 1 a``."""
        known = _FLAGS.get(self.name, frozenset())
        words = (_constant(word).upper() for word in self.arguments[1:])
        return tuple(takewhile(known.__contains__, words))


_REPEATABLE = frozenset(
    b"SET SETEX PSETEX SETBIT SETRANGE MSET HSET HMSET HSETNX HDEL SADD SREM ZADD ZREM GEOADD PFADD PFMERGE"
    b" DEL UNLINK EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT RESTORE"
    b" LSET JSON.SET JSON.MSET JSON.MERGE JSON.DEL BF.ADD BF.MADD".split()
)


def repeatable(command: Command) -> bool:
    """Return True if a command does no more the second time than the first: what is not known here may.

    Not RPUSH, XADD, INCRBY, APPEND and their like, nor a time series, whose timestamp may be ``*``.
    """
    if command.name == b"ZADD" and b"INCR" in command.flags:
        return False
    options = {_constant(word).upper() for word in command.arguments[2:]}
    if command.name in (b"SET", b"RESTORE") and options & {b"NX", b"GET", b"IFEQ"}:
        return False
    if command.name == b"RESTORE" and b"REPLACE" not in options:
        return False
    return command.name in _REPEATABLE


def _constant(word: Template) -> bytes:
    return b"".join(part for part in word.parts if isinstance(part, bytes)) if word.constant else b""


def command(name: str, *arguments: Template) -> Command:
    """Make a command of its name and argument templates."""
    return Command((Template((name.encode(),)), *arguments))


def parse_command(text: str) -> Command:
    """Parse ``--command``: words quoted as in a shell, ``{field}``s in them.

    Raises UsageError for bad quoting, a name that comes from data, and a command that no load needs.
    """
    option = "--command"
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {str(error).lower()}") from None
    if not words or not words[0]:
        raise UsageError(f"{option} is empty: it is a Redis command such as 'SADD city:{{city}} {{id}}'")
    templates = tuple(
        replace(parse_template(word, option=option, argument=True), origin=f"{option} {text!r}")
        for word in words
    )
    if not templates[0].constant:
        raise UsageError(f"{option} {text!r}: the command's name cannot come from data")
    parsed = Command(templates)
    name = parsed.name.decode("utf-8", "replace")
    if name in REFUSED:
        raise UsageError(f"{option} {text!r}: {name} is refused; a load only writes keys")
    if not parsed.arguments:
        raise UsageError(f"{option} {text!r}: {name} needs a key")
    return parsed
