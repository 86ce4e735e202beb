"""What is known of a server before a load, and what of it refuses the load. Pure; ``survey`` does the asking.

NOTE(unknown): there are servers, proxies and managed services that know less than Redis, or show less. What
was not answered, or not in the form that Redis has, is None or empty here, and refuses nothing: the load
itself finds out. So no server is turned away for what it does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etl.encode.examples import EXAMPLE, Words
from etl.errors import TargetError
from etl.sink.error_replies import TABLE
from etl.units import counted, format_bytes

CONTROL = b"PING"
"""A command that every server has: one that says it has not knows nothing about commands."""

MEMORY_PER_INPUT_BYTE = 3
"""A rough guess of the bytes in Redis for a byte of input.

Measured with Redis 7.0: a line of 80 bytes takes 2, a packed string of 8 bytes 2, a hash of six fields 2 by
RESTORE and 5 by HSET, a string of 8 bytes in a key of its own 10. A compressed input takes many times its
size, and a load that replaces what is there may take nothing. Where the guess is too low, keys that vanish
still fail the run at its end (``evicted``).
"""


@dataclass(frozen=True, slots=True)
class Info:
    """What INFO tells (https://redis.io/docs/latest/commands/info/); None: see NOTE(unknown).

    Memory is in bytes; ``maxmemory`` is 0 where there is no limit. ``primary`` is the ``host:port`` that a
    read-only replica follows. A ``sentinel`` has no data, and watches primaries: ``watched``, by address and
    name.
    """

    version: str | None = None
    cluster: bool | None = None
    replica: bool | None = None
    primary: str | None = None
    used_memory: int | None = None
    maxmemory: int | None = None
    policy: str | None = None
    evicted_keys: int | None = None
    sentinel: bool = False
    watched: tuple[str, ...] = ()


UNKNOWN = Info()


@dataclass(frozen=True, slots=True)
class Denial:
    """A command that a user may not run at all, or (``key``) not on this key."""

    user: str
    command: bytes
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a server has said of itself, of commands that it does not have, and of what a user may not do."""

    info: Info = UNKNOWN
    missing: frozenset[bytes] = frozenset()
    denials: tuple[Denial, ...] = ()


def read_info(reply: Any) -> Info:
    """Read a reply to INFO: lines ``name:value``, whatever else it holds."""
    if not isinstance(reply, bytes):
        return UNKNOWN
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    values = {name: value for name, colon, value in lines if colon}

    def number(name: str) -> int | None:
        text = values.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() else None

    def fact(name: str) -> bool | None:
        value = number(name)
        return None if value is None else bool(value)

    role = values.get("role")
    # A replica says whether it takes writes; old ones call themselves slaves.
    replica = None if role is None else role in ("slave", "replica") and fact("slave_read_only") is not False
    primary = f"{values['master_host']}:{values.get('master_port')}" if "master_host" in values else None
    return Info(
        version=values.get("valkey_version") or values.get("redis_version"),
        cluster=fact("cluster_enabled"),
        replica=replica,
        primary=primary,
        used_memory=number("used_memory"),
        maxmemory=number("maxmemory"),
        policy=values.get("maxmemory_policy"),
        evicted_keys=number("evicted_keys"),
        sentinel=values.get("redis_mode") == "sentinel",
        watched=tuple(filter(None, map(_watched, (v for n, v in values.items() if _MASTER.fullmatch(n))))),
    )


_MASTER = re.compile(r"master\d+")


def _watched(value: str) -> str | None:
    """Read a Sentinel's ``name=mymaster,status=ok,address=10.0.0.1:6379,slaves=1,sentinels=3``."""
    facts = dict(fact.partition("=")[::2] for fact in value.split(","))
    return f"{facts['address']} ({facts['name']})" if facts.keys() >= {"name", "address"} else None


def read_missing(names: Sequence[bytes], reply: Any) -> frozenset[bytes]:
    """Read a reply to ``COMMAND INFO CONTROL name ...``: nothing stands for a command that is not there."""
    if not isinstance(reply, list) or len(reply) != len(names) + 1 or not reply[0]:
        return frozenset()
    return frozenset(name for name, found in zip(names, reply[1:], strict=True) if not found)


_NO_COMMAND = re.compile(rb"no permissions to run the '")
_NO_KEY = re.compile(rb"no permissions to access the '(.*)' key", re.DOTALL)


def read_denials(user: str, commands: Sequence[Words], replies: Sequence[Any]) -> tuple[Denial, ...]:
    """Read the replies to ``ACL DRYRUN user command ...``: OK, or a sentence that says what is denied.

    A denied key counts only where a record of the load has it: see EXAMPLE in ``encode/example.py``.
    """
    denials: list[Denial] = []
    for command, reply in zip(commands, replies, strict=False):
        if not isinstance(reply, bytes):
            continue
        if _NO_COMMAND.search(reply):
            denials.append(Denial(user, command[0]))
        elif (denied := _NO_KEY.search(reply)) and EXAMPLE not in denied[1]:
            denials.append(Denial(user, command[0], denied[1]))
    return tuple(denials)


def require_server(info: Info, target: object, *, writes: bool) -> None:
    """Refuse a server of the wrong kind. Raises TargetError."""
    if info.sentinel:
        named = f": {', '.join(info.watched)}" if info.watched else ""
        raise TargetError(
            f"{target}: this is a Sentinel, which has no data; give the address of the primary that it"
            f" watches instead{named}"
        )
    if info.cluster:
        raise TargetError(f"{target}: {TABLE['MOVED'].meaning}")
    if writes and info.replica:
        named = f", {info.primary}" if info.primary else ""
        raise TargetError(f"{target}: {TABLE['READONLY'].meaning}{named}")


def require_commands(findings: Findings, commands: Iterable[Words], target: object) -> None:
    """Refuse a server that does not have the commands, or a user who may not run them. Raises TargetError."""
    commands = tuple(commands)
    names = {command[0] for command in commands}
    for name in sorted(findings.missing & names):
        raise TargetError(f"{target}: the server has no {_shown(name)}: {_remedy(name)}")
    for denial in findings.denials:
        if any(_is_about(denial, command) for command in commands):
            raise TargetError(f"{target}: {_permission(denial)}")


def _is_about(denial: Denial, command: Words) -> bool:
    return command[0] == denial.command and (denial.key is None or denial.key in command)


def _remedy(name: bytes) -> str:
    if name.startswith(b"JSON."):
        return (
            "load its module RedisJSON, use Redis 8 or later, or keep the JSON as text:"
            " --as string --value '{json}'"
        )
    return "it is misspelled, or needs a newer server or a module"


def _permission(denial: Denial) -> str:
    command = _shown(denial.command)
    if denial.key is None:
        return (
            f"the user {denial.user} may not run {command};"
            f" give it the permission (ACL SETUSER {denial.user} +{command.lower()})"
        )
    return (
        f"the user {denial.user} may not run {command} on the key {_shown(denial.key)};"
        f" give it the permission (ACL SETUSER {denial.user} ~PATTERN)"
    )


def _shown(word: bytes) -> str:
    text = word.decode("utf-8", "backslashreplace")[:100]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def require_room(info: Info, target: object, *, nbytes: int | None, expiring: bool) -> None:
    """Refuse a server that would make room by evicting keys of this load. Raises TargetError.

    A load of ``nbytes`` (None: unknown, which does not fit) is taken to need MEMORY_PER_INPUT_BYTE times as
    much beside what is used now. A ``volatile-*`` policy evicts only keys with an expiry, so it counts where
    the load has ``expiring`` keys. With ``noeviction`` nothing is refused: a guess must not keep out what
    fits, and a server that gets full says so.
    """
    policy = info.policy or ""
    evicts = policy.startswith("allkeys-") or (expiring and policy.startswith("volatile-"))
    if not evicts or not info.maxmemory:
        return
    used = info.used_memory or 0
    if nbytes is not None and used + nbytes * MEMORY_PER_INPUT_BYTE <= info.maxmemory:
        return
    need = "how much the input takes is not known"
    if nbytes is not None:
        need = f"the input may take about {format_bytes(nbytes * MEMORY_PER_INPUT_BYTE)}"
    raise TargetError(
        f"{target}: the server would delete keys to make room (maxmemory-policy {policy}):"
        f" {format_bytes(used)} of {format_bytes(info.maxmemory)} are used, and {need};"
        " raise maxmemory, set maxmemory-policy noeviction, or give --allow-eviction"
    )


def evicted(before: Info, after: Info, target: object) -> TargetError | None:
    """Make the error of a load during which the server has evicted keys; None where it has not, or is silent.

    A count that went down was reset meanwhile (CONFIG RESETSTAT, a restart): what it says came after that.
    """
    if before.evicted_keys is None or after.evicted_keys is None:
        return None
    count = after.evicted_keys - before.evicted_keys
    if count < 0:
        count = after.evicted_keys
    if count == 0:
        return None
    return TargetError(
        f"{target}: the server evicted {counted(count, 'key')} during the load, maybe some of this load"
        f" (maxmemory-policy {after.policy}); raise maxmemory or set maxmemory-policy noeviction, and load"
        " again, or give --allow-eviction"
    )
