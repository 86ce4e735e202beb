"""What a server says of itself, read from its replies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.encode.examples import EXAMPLE, CommandArgs

CONTROL = b"PING"
"""A command that every server has: one that says it has not knows nothing about commands."""


@dataclass(frozen=True, slots=True)
class Info:
    """What INFO tells (https://redis.io/docs/latest/commands/info/); None: see NOTE(unknown).

    Memory is in bytes; ``maxmemory`` is 0 where there is no limit. ``primary`` is the ``host:port`` that a
    read-only replica follows. A ``sentinel`` has no data, and watches primaries: ``watched``, by name and
    address.
    """

    version: str | None = None
    run_id: str | None = None
    cluster: bool | None = None
    replica: bool | None = None
    primary: str | None = None
    used_memory: int | None = None
    maxmemory: int | None = None
    policy: str | None = None
    evicted_keys: int | None = None
    sentinel: bool = False
    watched: tuple[tuple[str, str], ...] = ()


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
        run_id=values.get("run_id"),
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


def _watched(value: str) -> tuple[str, str] | None:
    """Read a Sentinel's ``name=mymaster,status=ok,address=10.0.0.1:6379,slaves=1,sentinels=3``."""
    facts = dict(fact.partition("=")[::2] for fact in value.split(","))
    return (facts["name"], facts["address"]) if facts.keys() >= {"name", "address"} else None


def read_missing(names: Sequence[bytes], reply: Any) -> frozenset[bytes]:
    """Read a reply to ``COMMAND INFO CONTROL name ...``: nothing stands for a command that is not there."""
    if not isinstance(reply, list) or len(reply) != len(names) + 1 or not reply[0]:
        return frozenset()
    return frozenset(name for name, found in zip(names, reply[1:], strict=True) if not found)


_NO_COMMAND = re.compile(rb"no permissions to run the '")


_NO_KEY = re.compile(rb"no permissions to access the '(.*)' key", re.DOTALL)


def read_denials(user: str, commands: Sequence[CommandArgs], replies: Sequence[Any]) -> tuple[Denial, ...]:
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
