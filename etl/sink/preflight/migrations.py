"""Atomic slot migrations of a cluster: whether any is going on before a load.

They need nothing from a client, but writes into their slots pause for some seconds at their end, which is no
failure. https://redis.io/commands/cluster-info (Redis 8.4), https://valkey.io/commands/cluster-getslotmigrations
(Valkey 9). Servers that know neither tell nothing, and move slots key by key (``etl/worker/resend.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from etl.encode.resp.protocol import plain
from etl.errors import TargetError
from etl.plan import StopFlag, Target
from etl.sink.control import ask_through

_ACTIVE = b"cluster_slot_migration_active_tasks"
_ENDED = frozenset((b"success", b"failed", b"cancelled"))


def migrations_running(servers: Iterable[Target], stop: StopFlag) -> int:
    """Return at how many of a cluster's primaries slots are migrated just now. Raises StoppedError."""
    return sum(_migrates(server, stop) for server in servers)


def _migrates(server: Target, stop: StopFlag) -> bool:
    asked = plain((b"CLUSTER", b"INFO"), (b"CLUSTER", b"GETSLOTMIGRATIONS"))
    with contextlib.suppress(TargetError):  # a load that cannot be told goes on all the same
        info, jobs = ask_through(server, asked, stop)
        return active_tasks(info) > 0 or any(map(is_active, jobs if isinstance(jobs, list) else ()))
    return False


def active_tasks(info: Any) -> int:
    """Return how many migrations CLUSTER INFO tells of; 0 where it tells of none, or nothing."""
    if not isinstance(info, bytes):
        return 0
    facts = dict(line.split(b":", 1) for line in info.split() if b":" in line)
    number = facts.get(_ACTIVE, b"0")
    return int(number) if number.isdigit() else 0


def is_active(job: Any) -> bool:
    """Return True if an entry of CLUSTER GETSLOTMIGRATIONS, names and values in turn, has not ended."""
    if not isinstance(job, list):
        return False
    state = dict(zip(job[::2], job[1::2], strict=False)).get(b"state")
    return isinstance(state, bytes) and state.lower() not in _ENDED
