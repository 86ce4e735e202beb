"""The entry to one shard, in every runner."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing, suppress

from etl.errors import StoppedError
from etl.plan import Block, Plan, StopFlag
from etl.report import Counters
from etl.worker.messages import Finished
from etl.worker.sending import open_sending
from etl.worker.shard import Shard
from etl.worker.waiting import WaitReporter


def run_shard(
    plan: Plan, worker: int, counters: Counters, stop: StopFlag, blocks: Iterable[Block] | None = None
) -> Finished:
    """Carry out one worker's part of a plan: its shard, or ``blocks`` as they come (a stream).

    Counts into ``counters`` only what the server has answered for. Looks at ``stop`` between blocks: when it
    is set, what is in flight is answered and counted first. Raises EtlError, with everything answered
    before it counted.
    """
    started_at = time.monotonic()
    pauses = WaitReporter(worker, counters, stop)
    shard = Shard(plan, worker, counters, stop, pauses)
    blocks = plan.shard(worker) if blocks is None else blocks
    if blocks != ():
        # StoppedError: told to stop while it still waited for the server.
        with (
            suppress(StoppedError),
            closing(open_sending(plan, f"redis-etl-{worker}", pauses, shard.encoding)) as sending,
        ):
            shard.run(blocks, sending)
    if not stop.is_set():
        counters.add(worker, "finished", 1)
    recorder = shard.recorder
    return Finished(
        worker,
        time.monotonic() - started_at,
        tuple(recorder.examples),
        recorder.present,
        None if recorder.gathered is None else recorder.gathered.compacted(),
        recorder.nodes,
    )
