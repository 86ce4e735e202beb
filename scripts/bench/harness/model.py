"""What a worker's records cost it, routed and encoded for clusters that this machine has no room for.

Nothing is sent: blocks of records are put in parts by node and made into commands, as for a cluster of so
many primaries. What follows from that for whole clusters is arithmetic, with what servers cost here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.hashes import LISTPACK
from etl.encode.resp.slots import SLOTS, slots_of
from etl.encode.strategies.restore import RestoreEncoder
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.pipeline.plan import MAX_NODES
from etl.plan import Batch, Encoder
from etl.sink.session.slot_map import SlotMap
from etl.template import Template, parse_template

from .table import Table

CLUSTERS = (1, 3, 6, 30, 120)
STRINGS_A_BLOCK, HASHES_A_BLOCK = 100_000, 18_000
READ_AND_SEND_US = {"strings": 0.5, "hashes": 1.4}
"""What a worker spends on a record besides: reading, parsing and the socket, as profiled here."""

SERVER_US = {"strings": 2.2, "hashes": 4.0}
"""What a server spends on a record, as measured by this benchmark."""


def model_table(repeat: int) -> Table:
    """Return, for clusters of CLUSTERS primaries, what a worker can do and how many it takes."""
    head = [
        *("primaries", "records a wire", "route + encode, us", "records/s a worker"),
        *("workers for all nodes busy", "connections"),
    ]
    rows = [_row("strings", *strings(), primaries, repeat) for primaries in CLUSTERS]
    rows += [
        _row("hashes", *hashes(HASHES_A_BLOCK * min(primaries, MAX_NODES)), primaries, repeat)
        for primaries in CLUSTERS
    ]
    return Table("A model of larger clusters (measured: route + encode; the rest is arithmetic)", head, rows)


def _row(what: str, encoder: Encoder, batch: Batch, primaries: int, repeat: int) -> list[str]:
    bounds = [SLOTS * at // primaries for at in range(primaries + 1)]
    owners = [f"node-{at}:6379" for at in range(primaries) for _ in range(bounds[at], bounds[at + 1])]
    slot_map = SlotMap(owners)
    taken = [_seconds(encoder, batch, slot_map, by_slot=what == "strings") for _ in range(max(repeat, 3))]
    cost_us = median(taken) / len(batch) * 1e6
    whole_us = cost_us + READ_AND_SEND_US[what]
    workers = primaries * whole_us / SERVER_US[what]
    return [
        f"{what}, {primaries}",
        f"{len(batch) // primaries:,}",
        f"{cost_us:.2f}",
        f"{1e6 / whole_us:,.0f}",
        f"{workers:.0f}",
        f"{max(round(workers), 1) * primaries:,}",
    ]


def _seconds(encoder: Encoder, batch: Batch, slot_map: SlotMap, *, by_slot: bool) -> float:
    start = time.perf_counter()
    for part in _parts(encoder, batch, slot_map, by_slot=by_slot):
        encoder.encode(part)
    return time.perf_counter() - start


def _parts(encoder: Encoder, batch: Batch, slot_map: SlotMap, *, by_slot: bool) -> Sequence[Batch]:
    slots = slots_of(encoder.keys(batch))
    order = pc.sort_indices(slots) if by_slot else None
    if order is not None:
        slots = slots.take(order)
    places = slot_map.places.take(slots)
    each = [pc.indices_nonzero(pc.equal(places, place)) for place in pc.unique(places).to_pylist()]
    if order is None:
        return [batch.take(at) for at in each]
    return [replace(batch.take(order.take(at)), slots=slots.take(at)) for at in each]


def strings() -> tuple[Encoder, Batch]:
    """Return an encoder and a block of lines of 80 bytes."""
    lines = pa.array([b"%012d " % number + b"x" * 67 for number in range(STRINGS_A_BLOCK)], pa.binary())
    batch = Batch(pa.RecordBatch.from_arrays([lines], names=["line"]), numbers=_numbers(len(lines)))
    return SlotMsetEncoder(_template("{#}"), _template("{line}")), batch


def hashes(count: int) -> tuple[Encoder, Batch]:
    """Return an encoder and a block of six-field records."""
    columns = {
        "id": [b"%d" % n for n in range(count)],
        "name": [b"Ada %d" % (n % 1000) for n in range(count)],
        "city": [b"city %d" % (n % 97) for n in range(count)],
        "a": [b"%d" % (n * 7) for n in range(count)],
        "b": [b"%d" % (n * 13) for n in range(count)],
        "c": [b"x, %d" % n for n in range(count)],
    }
    arrays = [pa.array(column, pa.binary()) for column in columns.values()]
    fields = pa.RecordBatch.from_arrays(arrays, names=list(columns))
    batch = Batch(fields, spread=tuple(columns), numbers=_numbers(count))
    return RestoreEncoder(_template("u:{id}"), (), "replace", LISTPACK), batch


def _numbers(count: int) -> pa.Array:
    return pa.array(range(count), pa.int64())


def _template(text: str) -> Template:
    return parse_template(text, option="--key")
