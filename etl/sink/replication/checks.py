"""What refuses the replacement of a server's whole data set, and what is said before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from etl.errors import TargetError
from etl.sink.replication.facts import TLS, ServerState
from etl.units import counted, format_bytes

MAX_USED = 0.95
"""How much of its machine's memory a server may use while it has both data sets."""

_ELSE = "load without --wire replication"


def require_replaceable(state: ServerState, target: object, *, replace_all: bool, empty: bool) -> None:
    """Refuse a server whose data set cannot, or is not to be, replaced as a whole. Raises TargetError.

    ``empty``: it has no keys but those of jobs. ``replace_all``: it may lose everything that it has.
    """
    why = next(_objections(state, replace_all=replace_all, empty=empty), None)
    if why is not None:
        raise TargetError(f"{target}: {why}")


def _objections(state: ServerState, *, replace_all: bool, empty: bool) -> Iterator[str]:
    if state.cluster:
        yield f"--wire replication is for a single server, and this is a node of a Redis Cluster: {_ELSE}"
    if state.primary is not None:
        host, port = state.primary
        yield f"the server is a replica of {host}:{port}; give the address of that primary"
    if state.watched:
        yield (
            "a Sentinel watches this server, and would take it for a replica and fail over while its data are"
            f" replaced: {_ELSE}, or have the Sentinels forget it first (SENTINEL REMOVE)"
        )
    if (state.settings or {}).get(TLS) == "yes":
        yield f"the server replicates with TLS (tls-replication), which --wire replication does not: {_ELSE}"
    if state.replicas and not replace_all:
        yield (
            f"the server has {counted(state.replicas, 'replica')}, which would lose everything too:"
            " give --replace-all if they may"
        )
    if not empty and not replace_all:
        keys = counted(state.all_keys, "key")
        where = f" in {counted(len(state.keys), 'database')}" if len(state.keys) > 1 else ""
        yield (
            f"the server has {keys}{where}, and --wire replication replaces everything that it has, in all"
            f" databases: give --replace-all if that may be lost, or {_ELSE}"
        )


def require_memory(state: ServerState, target: object, *, nbytes: int | None) -> None:
    """Refuse a server whose machine surely has no room for both data sets. Raises TargetError.

    A load of ``nbytes`` (None: unknown) is taken to need as much: most take more, but a guess must not keep
    out what fits. How much it takes is looked at while it goes on.
    """
    used, total = state.used_memory, state.total_memory
    if used is None or not total or nbytes is None or used + nbytes <= total:
        return
    raise TargetError(
        f"{target}: the server's machine has {format_bytes(total)} of memory, and the old data set"
        f" ({format_bytes(used)}) and the new one (an input of {format_bytes(nbytes)}) are there together"
        f" until it is complete: delete the old one first (FLUSHALL), or {_ELSE}"
    )


def memory_error(before: ServerState, used: int, target: object, *, whole: bool) -> TargetError | None:
    """Return the error of a server that has too little memory while it has both data sets; None: it has not.

    ``used`` bytes are used now. With ``whole`` the new data set is complete, and is compared with the limit
    that will hold for it: a server that follows another one has none.
    """
    new = used - (before.used_memory or 0)
    if whole and before.maxmemory and new > before.maxmemory:
        return TargetError(
            f"{target}: the new data set takes {format_bytes(new)}, and the server may use"
            f" {format_bytes(before.maxmemory)} (maxmemory); it keeps its old data set: raise maxmemory or"
            " load less"
        )
    if before.total_memory and used > before.total_memory * MAX_USED:
        return TargetError(
            f"{target}: both data sets take {format_bytes(used)}, and the server's machine has"
            f" {format_bytes(before.total_memory)} of memory; it keeps its old data set: {_ELSE}"
        )
    return None


def notices(state: ServerState) -> Iterator[str]:
    """Yield what is said before the replacement begins."""
    if not state.swaps:
        why = "its settings cannot be changed by this user (CONFIG)"
        if state.modules:
            why = f"its module {state.modules[0]} does not allow a swap"
        elif state.writable:
            why = f"Redis {state.shown_version} has no swap"
        yield (
            f"{why}: the server writes the new data set to its disk first, then removes the old one and"
            " answers LOADING until the new one is read"
        )
    elif not state.serves_reads:
        yield (
            f"Redis {state.shown_version} answers LOADING until the new data set is complete; from 7.0 on"
            " servers go on answering reads from the old one"
        )
