"""Which slots of a Redis Cluster each of several RDB files has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from etl.encode.resp.protocol import plain
from etl.encode.resp.slots import SLOTS
from etl.errors import TargetError, UsageError
from etl.shards import SHARD
from etl.sink.address import parse_address
from etl.sink.control import ask
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.session.slot_map import SlotMap, format_ranges, read_slot_map


@dataclass(frozen=True, slots=True)
class Sharding:
    """The names of files, and which of them each slot's keys are in (uint16; None: there is one file).

    ``notice`` says what each of them is for, where that is not plain.
    """

    names: tuple[str, ...]
    shard_of: pa.Array | None = field(default=None, compare=False)
    notice: str = ""


def sharding_of(name: str, shards: int | None, slots_of: str | None) -> Sharding:
    """Return the files of ``--to rdb:NAME``. Raises UsageError, and TargetError for a silent cluster."""
    if shards is not None and slots_of is not None:
        raise UsageError("--shards and --slots-of contradict each other: give one of them")
    many = "--slots-of" if slots_of is not None else "--shards" if shards is not None else ""
    if many and SHARD not in name:
        raise UsageError(f"{many} makes several files: put {SHARD} into the name, as in rdb:dump-{SHARD}.rdb")
    if not many and SHARD in name:
        raise UsageError(f"--to rdb:{name} needs --shards N, or --slots-of redis://NODE")
    if slots_of is not None:
        return _of_cluster(name, slots_of)
    if shards is None:
        return Sharding((name,))
    if shards > SLOTS:
        raise UsageError(f"--shards must be at most {SLOTS:,}: so many hash slots there are")
    return Sharding(_names(name, shards), _column(slot * shards // SLOTS for slot in range(SLOTS)))


def _of_cluster(name: str, url: str) -> Sharding:
    found = _slot_map(url)
    names = _names(name, len(found.nodes))
    ranges = found.slots()
    pairs = zip(names, found.nodes, strict=True)
    each = (f"{file}: slots {format_ranges(ranges[node])} of {node}" for file, node in pairs)
    return Sharding(names, found.places, "; ".join(each))


def _slot_map(url: str) -> SlotMap:
    node = StandaloneTarget(parse_address(url))
    with contextlib.closing(node.connect("redis-etl")) as session:
        (reply,) = ask(session, plain((b"CLUSTER", b"SLOTS")))
    found = read_slot_map(reply, str(node))
    if found is None:
        raise TargetError(f"--slots-of {node} tells no slots: it is no node of a Redis Cluster ({reply})")
    if found.unserved:
        raise TargetError(f"--slots-of {node}: no node has the slots {format_ranges(found.unserved)}")
    return found


def _names(name: str, count: int) -> tuple[str, ...]:
    width = len(str(count - 1))
    return tuple(name.replace(SHARD, f"{number:0{width}}") for number in range(count))


def _column(shards: Iterable[int]) -> pa.Array:
    return pa.array(shards, pa.uint16())
