"""The pass over the keys before a load, for all shards of a job together.

Each shard alone would take what others have loaded for what was there before. So it is made before any shard
has written a record: by the one that comes first, over all blocks, while the others wait for it. What it has
found is kept with the record of the whole job. Who dies meanwhile has done nothing that another run of it
could not do again.
"""

from __future__ import annotations

from dataclasses import replace

from etl.errors import StoppedError
from etl.job.lock import locked
from etl.job.shards import ShardGroup
from etl.job.state import PrepassResult
from etl.output.notice import log_notice
from etl.output.reject_file import RejectFile
from etl.pipeline.execution import Run
from etl.plan import Encoder
from etl.shards import ShardNumber
from etl.source.planned import PlannedSource
from etl.units import counted

FOREVER_S = 30 * 86_400.0


def shared_prepass(run: Run, prepass: Encoder, group: ShardGroup) -> PrepassResult:
    """Return what the pass has decided for the shard of ``run``. Raises EtlError."""
    source = run.plan.source
    assert isinstance(source, PlannedSource)
    passed = group.passed()
    if passed is None:
        log_notice(run.plan.progress, "looking at all keys before the load, for all shards")
        with locked(group.prepass, FOREVER_S, run.signals, run.signals.stop_for):
            passed = group.passed()
            if passed is None:
                passed = _whole(run, source, group).run_prepass(prepass)
                if run.signals.stopping:
                    raise StoppedError("stopped during the pass over the keys")
                group.note_prepass(passed)
                _say_rejected(run, passed)
    return _part(passed, source.shard, skips=run.plan.skips)


def _whole(run: Run, source: PlannedSource, group: ShardGroup) -> Run:
    """Return a run over all blocks; what it rejects is of all shards, and goes to a file of its own."""
    whole = source.whole
    blocks = None if whole.streamed else tuple(whole.blocks(run.plan.block_bytes))
    rejects = run.plan.rejects
    if isinstance(rejects, RejectFile):
        shard = group.part(source.shard.index).part.replace(":", "-")
        rejects = RejectFile(rejects.path.replace(f"-{shard}", "-prepass"))
        rejects.set_aside()
    return replace(run, plan=replace(run.plan, source=whole, blocks=blocks, rejects=rejects))


def _say_rejected(run: Run, passed: PrepassResult) -> None:
    if passed.rejected:
        what = counted(passed.rejected, "record")
        log_notice(run.plan.progress, f"{what} of all shards rejected, in the -prepass file beside --rejects")


def _part(passed: PrepassResult, shard: ShardNumber, *, skips: bool) -> PrepassResult:
    """Return what was decided about a shard's own blocks, under the numbers that they have there."""
    present = {shard.inner(number): bits for number, bits in passed.present.items() if shard.has(number)}
    decided = sum(int.from_bytes(bits, "little").bit_count() for bits in present.values())
    return PrepassResult(decided if skips else 0, 0 if skips else decided, present)
