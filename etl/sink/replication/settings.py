"""Which settings of a server are others while its data set is replaced. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etl.sink.replication.facts import (
    FAST_INTERVAL_BYTES,
    IGNORE_LIMIT,
    INTERVAL,
    READ_ONLY,
    STALE,
    SWAP,
    SWAP_VALUE,
    TOKEN,
    ServerState,
)
from etl.units import MIB

_SLOW_INTERVAL_BYTES = 2 * MIB
_FIELD_BYTES = 64  # what padding has beside its content, and more
_DISK_PAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Padding:
    """How many bytes of padding are written, and how often, where there is nothing else: NOTE(padding)."""

    nbytes: int
    every_s: float


def changes(state: ServerState, token: str) -> Mapping[str, str]:
    """Return what is to be set while the data set is replaced, where the server has another value now.

    A password for its primary that it has already is not changed: it is the token then. Readers are answered
    while the link is down, nobody writes what would be lost, and no key is evicted from the old data set.
    """
    now = state.settings or {}
    wanted = {SWAP: SWAP_VALUE, STALE: "yes", READ_ONLY: "yes"}
    if state.modules:
        del wanted[SWAP]
    if state.maxmemory:
        wanted[IGNORE_LIMIT] = "yes"
    if now.get(TOKEN) == "":
        wanted[TOKEN] = token
    if now.get(INTERVAL, "").isdigit() and int(now[INTERVAL]) > FAST_INTERVAL_BYTES:
        wanted[INTERVAL] = str(FAST_INTERVAL_BYTES)
    return {name: value for name, value in wanted.items() if name in now and now[name] != value}


def token_of(state: ServerState, changed: Mapping[str, str]) -> str:
    """Return the password with which the server comes to us; empty: it has none."""
    return changed.get(TOKEN) or (state.settings or {}).get(TOKEN, "")


def padding_for(state: ServerState, changed: Mapping[str, str]) -> Padding:
    """Return how the server is kept answering, and the connection alive."""
    if not state.swaps or {**(state.settings or {}), **changed}.get(SWAP) != SWAP_VALUE:
        return Padding(_FIELD_BYTES, _DISK_PAD_S)  # it writes to its disk what it is sent
    if INTERVAL not in changed and state.serves_reads:
        interval = int((state.settings or {}).get(INTERVAL) or _SLOW_INTERVAL_BYTES)
        if interval > FAST_INTERVAL_BYTES:
            return Padding(interval + _FIELD_BYTES, 0.1)
    return Padding(FAST_INTERVAL_BYTES + _FIELD_BYTES, 0.01)
