"""Keys that servers evict while a load goes on: what each had evicted before it is compared with its end.

In a cluster the primaries of the end may be others than those of the start. A replica that has taken over was
asked at the start too; a node that nobody knew then has evicted nothing of what it had before the load.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import EtlError, TargetError
from etl.plan import StopFlag, Target
from etl.sink.cluster_nodes import ASK_TIMEOUT_S
from etl.sink.preflight.checks import evicted
from etl.sink.preflight.facts import Info
from etl.sink.preflight.survey import info_now
from etl.sink.slot_target import InCluster

_NOTHING = Info(evicted_keys=0)


@dataclass(frozen=True, slots=True)
class EvictionWatch:
    """What the servers of ``target`` said before a load; ``replicas`` those that might take over."""

    target: Target
    primaries: tuple[tuple[Target, Info], ...]
    replicas: tuple[Info, ...] = ()

    def error(self, stop: StopFlag) -> TargetError | None:
        """Return the error of a load during which keys were evicted, as far as servers tell; else None."""
        for server in self._servers(stop):
            after = info_now(server, stop)
            error = evicted(self._before(server, after), after, server)
            if error is not None:
                return error
        return None

    def _servers(self, stop: StopFlag) -> Sequence[Target]:
        """Return the primaries that there are now."""
        target = self.target
        if isinstance(target, InCluster):
            with contextlib.suppress(EtlError):
                target = target.identify("redis-etl", stop, ASK_TIMEOUT_S)
        return target.primaries()

    def _before(self, server: Target, after: Info) -> Info:
        """Return what a server said before the load: the same process, or else whatever was in its place."""
        infos = (*(info for _, info in self.primaries), *self.replicas)
        same = [info for info in infos if info.run_id is not None and info.run_id == after.run_id]
        if not same and (after.run_id is None or not isinstance(self.target, InCluster)):
            same = [info for place, info in self.primaries if str(place) == str(server)]
        return same[0] if same else _NOTHING


def eviction_watch(target: Target, primaries: Sequence[tuple[Target, Info]], stop: StopFlag) -> EvictionWatch:
    """Return the watch of a load that is about to begin; ``primaries`` have been asked already."""
    replicas: tuple[Info, ...] = ()
    if isinstance(target, InCluster) and any(_may_evict(info) for _, info in primaries):
        replicas = tuple(info_now(replica, stop) for replica in target.replicas())
    return EvictionWatch(target, tuple(primaries), replicas)


def _may_evict(info: Info) -> bool:
    return bool(info.maxmemory) and info.policy != "noeviction"
