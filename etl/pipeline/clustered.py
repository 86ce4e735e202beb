"""What a cluster changes of a run: who has its keys, and what may be applied twice."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.mapping import RecordMapping
from etl.encode.resp.slots import slot_of
from etl.errors import UsageError
from etl.options import LoadOptions
from etl.pipeline.work import Work
from etl.plan import Target
from etl.template import Template
from etl.units import counted


def on_cluster(target: Target, work: Work, options: LoadOptions) -> tuple[Target, Work]:
    """Return the part of a cluster that has the keys of a load, and the work as it is done there.

    Where all keys lie in one slot, the primary that has it is as good as a server of its own, and the fence
    stands there. Else checkpoint and data lie on different nodes, and commands that add up cannot be fenced.
    Raises UsageError for these.
    """
    if work.on_cluster is not None:
        work = work.on_cluster()
    key = one_slot_key(work.mapping)
    if key is not None:
        return target.holding(key), work
    if work.writes and work.mapping.fence_counts and not options.at_least_once:
        raise UsageError(
            f"{target} is a Redis Cluster, and what this load writes would be there twice if it were written"
            " twice: each record exactly once is only possible where all keys lie in one slot (--key with a"
            " hash tag: {{tag}}:...); --at-least-once loads all the same"
        )
    return target, unfenced(work)


def about_connections(target: Target, workers: int) -> str:
    """Return the sentence that says how many connections a run makes to a cluster, or to its one node."""
    nodes = len(target.primaries())
    if target.slot is not None:
        return (
            f"{target} is a Redis Cluster, and one node of it has all keys: {counted(workers, 'connection')}"
        )
    each = f"{counted(workers, 'worker')} x {counted(nodes, 'node')}"
    return f"{target} is a Redis Cluster: {each}, at most {counted(workers * nodes, 'connection')}"


def unfenced(work: Work) -> Work:
    """Return the same work without the fence: what a broken connection left unanswered may be done twice."""
    return replace(work, fenced=False, by_restore=tuple(unfenced(better) for better in work.by_restore))


def one_slot_key(mapping: RecordMapping) -> bytes | None:
    """Return a key of the slot in which all keys of a load lie; None where they do not."""
    keys = [_constant_part(template) for template in mapping.keys]
    slots = {slot_of(key) for key in keys if key is not None}
    return keys[0] if None not in keys and len(slots) == 1 else None


def _constant_part(template: Template) -> bytes | None:
    """Return a key of the slot that all keys of a template have; None where they may differ."""
    first = template.parts[0] if template.parts else b""
    if template.constant:
        return b"".join(part for part in template.parts if isinstance(part, bytes))
    if isinstance(first, bytes) and (start := first.find(b"{")) >= 0 and first.find(b"}", start) > start + 1:
        return first
    return None
