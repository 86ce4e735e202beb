"""Fourth step: the plan of the run, which has all that its workers must know."""

from __future__ import annotations

from etl.encode.strategies.slot_mset import BLOCK_BYTES as SLOT_BLOCK_BYTES
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.job.state import ResumePoint
from etl.options import LoadOptions
from etl.pipeline.preflight import Preflight
from etl.pipeline.resolve import Resolved
from etl.plan import BLOCK_BYTES, Plan, block_size
from etl.run.sizing import UNKNOWN_SIZE


def make_plan(
    resolved: Resolved, checked: Preflight, resume_point: ResumePoint, options: LoadOptions
) -> Plan:
    """Return the plan. A run that goes on has blocks of the size that its job was begun with.

    Raises SourceError.
    """
    source, work, target = resolved.source, checked.work, checked.target
    by_slot = isinstance(work.encoders.main, SlotMsetEncoder)
    size = resume_point.block_bytes or block_size(
        UNKNOWN_SIZE if source.nbytes is None else source.nbytes,
        resolved.workers,
        SLOT_BLOCK_BYTES if by_slot else BLOCK_BYTES,
    )
    if options.max_rate is not None and work.writes:
        target = target.bounded(*options.max_rate.in_flight(resolved.workers))
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
        reject_limit=options.max_rejects,
        rejects=None,
        block_bytes=size,
        fenced=work.fenced,
        skips=work.mapping.if_exists == "skip",
        presence=checked.job.presence if work.writes else None,
        replicas=options.wait_replicas if work.writes else 0,
        rate=options.max_rate,
        stall_s=options.stall or None,
        last_wins=work.writes
        and work.mapping.repeatable
        and not all(key.constant for key in work.mapping.keys),
        by_slot=by_slot,
    )
