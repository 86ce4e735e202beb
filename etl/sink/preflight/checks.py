"""What is known of a server before a load, and what of it refuses the load. Pure: ``survey`` asks.

NOTE(unknown): there are servers, proxies and managed services that know less than Redis, or show less. What
was not answered, or not in the form that Redis has, is None or empty here, and refuses nothing: the load
itself finds out. So no server is turned away for what it does not tell.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl.encode.examples import CommandArgs
from etl.errors import TargetError
from etl.sink.error_replies import ERROR_POLICIES
from etl.sink.preflight.facts import Denial, Findings, Info
from etl.sink.sentinel_address import watched_url
from etl.units import counted, format_bytes, listed

MEMORY_PER_INPUT_BYTE = 3
"""A rough guess of the bytes in Redis for a byte of input.

Measured with Redis 7.0: a line of 80 bytes takes 2, a packed string of 8 bytes 2, a hash of six fields 2 by
RESTORE and 5 by HSET, a string of 8 bytes in a key of its own 10. A compressed input takes many times its
size, and a load that replaces what is there may take nothing. Where the guess is too low, keys that vanish
still fail the run at its end (``evicted``).
"""


def require_server(info: Info, target: object, *, writes: bool, takes: frozenset[str] = frozenset()) -> None:
    """Refuse a server of a kind that the target does not take. Raises TargetError."""
    if info.sentinel and "sentinel" not in takes:
        raise TargetError(f"{target}: this is a Sentinel, which has no data; {_primaries(info, target)}")
    if info.cluster and "cluster" not in takes:
        raise TargetError(
            f"{target}: the server is a node of a Redis Cluster, which is not loaded in this way"
        )
    if writes and info.replica:
        named = f", {info.primary}" if info.primary else ""
        raise TargetError(f"{target}: {ERROR_POLICIES['READONLY'].meaning}{named}")


def _primaries(info: Info, target: object) -> str:
    """Return what to give in place of a Sentinel's own address."""
    meant = [(watched_url(str(target), name), f"{name} at {at}") for name, at in info.watched]
    urls = [f"--to {url} ({which})" for url, which in meant if url]
    if urls:
        return f"for a primary that it watches give {listed(urls, 'or')}"
    named = f": {listed([which for _, which in meant])}" if meant else ""
    return f"give the address of the primary that it watches instead{named}"


def require_commands(findings: Findings, commands: Iterable[CommandArgs], target: object) -> None:
    """Refuse a server that does not have the commands, or a user who may not run them. Raises TargetError."""
    commands = tuple(commands)
    names = {command[0] for command in commands}
    for name in sorted(findings.missing & names):
        raise TargetError(f"{target}: the server has no {_shown(name)}: {_remedy(name)}")
    for denial in findings.denials:
        if any(_is_about(denial, command) for command in commands):
            raise TargetError(f"{target}: {_permission(denial)}")


def _is_about(denial: Denial, command: CommandArgs) -> bool:
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
