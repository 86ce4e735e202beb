"""Fourth step: the plan of the run, which has all that its workers must know."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.job.state import ResumePoint
from etl.options import LoadOptions
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import Resolved
from etl.plan import BLOCK_BYTES, Plan, block_size
from etl.rate import Rate
from etl.report import RejectLimit
from etl.run.sizing import UNKNOWN_SIZE
from etl.shards import ShardNumber

MAX_NODES = 8
"""Nodes of a cluster that a block grows with: each batch costs some milliseconds, however few records it has.

More would take too much memory.
"""

SLOT_NODES = 8
"""Makes a block long enough for several records of each slot (``etl/encode/strategies/slot_mset.py``)."""


def make_plan(
    resolved: Resolved, checked: Preflight, resume_point: ResumePoint, options: LoadOptions
) -> Plan:
    """Return the plan. A run that goes on has blocks of the size that its job was begun with.

    Raises SourceError.
    """
    source, work, target = resolved.source, checked.work, checked.target
    by_slot = isinstance(work.encoders.main, SlotMsetEncoder)
    nodes = SLOT_NODES if by_slot else max(1, len(checked.servers))
    size = resume_point.block_bytes or _block_bytes(resolved, nodes)
    rate, reject_limit = options.max_rate, options.max_rejects
    if resolved.planned is not None and resolved.planned.shard is not None:
        rate, reject_limit = _of_a_shard(rate, reject_limit, resolved.planned.shard)
    if rate is not None and work.writes:
        target = target.bounded(*rate.in_flight(resolved.workers))
    return Plan(
        source=source,
        projection=resolved.projection,
        target=target,
        encoder=work.encoders.main,
        single=work.encoders.single,
        blocks=None if source.streamed else tuple(source.blocks(size)),
        workers=resolved.workers,
        split=options.split,
        progress=resolved.progress,
        reject_limit=reject_limit,
        rejects=None,
        block_bytes=size,
        fenced=work.fenced,
        skips=work.mapping.if_exists == "skip",
        presence=checked.job.presence if work.writes else None,
        replicas=options.wait_replicas if work.writes else 0,
        rate=rate,
        stall_s=options.stall or None,
        last_wins=work.writes
        and work.mapping.repeatable
        and not all(key.constant for key in work.mapping.keys),
        by_slot=by_slot,
    )


def _block_bytes(resolved: Resolved, nodes: int) -> int:
    """Return the size of a block: as much for each of ``nodes`` as for a server alone, up to MAX_NODES."""
    if resolved.planned is not None:
        return resolved.planned.plan.block_bytes
    nbytes = UNKNOWN_SIZE if resolved.source.nbytes is None else resolved.source.nbytes
    if nodes == 1:
        return block_size(nbytes, resolved.workers)
    return block_size(nbytes, resolved.workers, largest=BLOCK_BYTES * min(nodes, MAX_NODES))


def _of_a_shard(rate: Rate | None, limit: RejectLimit, shard: ShardNumber) -> tuple[Rate | None, RejectLimit]:
    """Return a shard's part of the job's rate, and how many records it alone may refuse.

    A percentage is one of the whole job: it is judged when all shards are complete.
    """
    own = None if rate is None else replace(rate, per_second=rate.per_second / shard.count)
    return own, limit if limit.percent is None else RejectLimit(percent=100.0)
