"""What a server says of itself that a replacement of its data set depends on, read from its replies. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SWAP, SWAP_VALUE = "repl-diskless-load", "swapdb"
TOKEN = "masterauth"
STALE, READ_ONLY, IGNORE_LIMIT = "replica-serve-stale-data", "replica-read-only", "replica-ignore-maxmemory"
INTERVAL = "loading-process-events-interval-bytes"
TLS, SAVE = "tls-replication", "save"

SETTINGS = (SWAP, TOKEN, STALE, READ_ONLY, IGNORE_LIMIT, INTERVAL, TLS, SAVE)
"""The settings that are asked for; a server does not tell those that it does not know."""

FAST_INTERVAL_BYTES = 64 * 1024
"""How many bytes a server reads between two looks after its clients while the load goes on."""

FIRST_SWAP, FIRST_READS, FIRST_LISTPACKS = (6, 0), (7, 0), (7, 0)

_DATABASE = re.compile(r"db(\d+):keys=(\d+)")
_SENTINEL = re.compile(r"(^| )name=sentinel-", re.MULTILINE)
_CAN_SWAP = "handle-repl-async-load"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself; None or empty: it does not tell.

    ``keys`` are the numbers of keys by database. ``primary`` is whom it replicates from, host and port, and
    ``syncs`` whether that one sends it anything or is connected. ``settings`` are its own, by name; None
    where it lets this user see none; ``writable`` whether they can be changed. ``modules`` are the names of
    those that prevent a swap.
    """

    version: tuple[int, ...] = ()
    shown_version: str = ""
    cluster: bool = False
    keys: Mapping[int, int] = field(default_factory=dict)
    primary: tuple[str, int] | None = None
    syncs: bool = False
    replicas: int = 0
    watched: bool = False
    modules: tuple[str, ...] = ()
    replid: str = ""
    offset: int = 0
    used_memory: int | None = None
    maxmemory: int = 0
    total_memory: int = 0
    settings: Mapping[str, str] | None = field(default=None, repr=False)
    writable: bool = False

    @property
    def swaps(self) -> bool:
        """Return True if it can keep the old data set until it has the whole new one: NOTE(swap)."""
        return self.writable and SWAP in (self.settings or {}) and not self.modules

    @property
    def serves_reads(self) -> bool:
        """Return True if it answers reads meanwhile."""
        return self.swaps and self.version >= FIRST_READS

    @property
    def rdb_version(self) -> int:
        """Return the newest version of the RDB format that it surely takes, of those that are written."""
        return 10 if self.version >= FIRST_LISTPACKS else 9

    @property
    def all_keys(self) -> int:
        return sum(self.keys.values())


def read_state(
    info: Any, clients: Any = None, settings: Any = None, *, writable: bool = False
) -> ServerState | None:
    """Read the replies to INFO, CLIENT LIST and CONFIG GET; None where INFO tells nothing."""
    if not isinstance(info, bytes):
        return None
    lines = [line.partition(":") for line in info.decode("utf-8", "replace").splitlines()]
    values = {name: value for name, colon, value in lines if colon}
    if "role" not in values:
        return None

    def number(name: str) -> int:
        text = values.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() else 0

    follows = values["role"] in ("slave", "replica")
    version = values.get("redis_version", "")
    databases = filter(None, (_DATABASE.match(f"{name}:{value}") for name, value in values.items()))
    return ServerState(
        version=tuple(int(part) for part in re.findall(r"\d+", version)[:3]),
        shown_version=values.get("valkey_version") or version,
        cluster=bool(number("cluster_enabled")),
        keys={int(found[1]): int(found[2]) for found in databases},
        primary=(values.get("master_host", ""), number("master_port")) if follows else None,
        syncs=follows
        and (values.get("master_link_status") == "up" or bool(number("master_sync_in_progress"))),
        replicas=number("connected_slaves"),
        watched=isinstance(clients, bytes) and bool(_SENTINEL.search(clients.decode("utf-8", "replace"))),
        modules=tuple(
            _name_of(value) for name, _, value in lines if name == "module" and _CAN_SWAP not in value
        ),
        replid=values.get("master_replid", ""),
        offset=number("master_repl_offset"),
        used_memory=number("used_memory") or None,
        maxmemory=number("maxmemory"),
        total_memory=number("total_system_memory"),
        settings=read_settings(settings),
        writable=writable,
    )


def read_memory(info: Any) -> int | None:
    """Return how many bytes a server uses, of a reply to INFO; None where that does not tell."""
    found = re.search(rb"^used_memory:([0-9]+)", info, re.MULTILINE) if isinstance(info, bytes) else None
    return None if found is None else int(found[1])


def read_settings(reply: Any) -> Mapping[str, str] | None:
    """Read replies to CONFIG GET, one after the other; None where the first one is refused."""
    if not isinstance(reply, list) or not all(isinstance(word, bytes) for word in reply):
        return None
    words = [word.decode("utf-8", "surrogateescape") for word in reply]
    return dict(zip(words[::2], words[1::2], strict=False))


def _name_of(module: str) -> str:
    found = re.search(r"name=([^,]+)", module)
    return found[1] if found else "?"
