"""Passes that write hashes of keys, and keys: what is in their batches."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from etl.encode.key_hash import hashes_of
from etl.encode.strategies.key_hashes import (
    HASHES,
    KEYS,
    PLACE_BITS,
    CandidateEncoder,
    HashFilter,
    KeyHashEncoder,
)
from etl.encode.strategies.mset import MsetEncoder
from etl.plan import Batch, BatchResult, Encoder, Wire
from tests.unit.encode.given import batch_of, template

KEY = template("k:{id}")
FIRST = 3 << PLACE_BITS
LOAD = MsetEncoder(KEY, template("{value}"))


def rows_in(wire: Wire, schema: pa.Schema) -> list[dict[str, Any]]:
    (data,) = wire.buffers
    assert wire.nbytes == len(data)
    rows: list[dict[str, Any]] = pa.ipc.read_record_batch(pa.py_buffer(data), schema).to_pylist()
    return rows


def sent(encoder: Encoder, batch: Batch, schema: pa.Schema) -> list[dict[str, Any]]:
    good, refusals = encoder.split_encodable(batch)
    assert refusals == []  # the load refuses, and says why
    wire = encoder.encode(good)
    assert wire.records == len(good)
    assert encoder.read_replies(good, wire, None) == BatchResult(written=len(good))
    return rows_in(wire, schema)


def test_every_record_with_a_key_has_a_hash_and_a_place() -> None:
    batch = batch_of({"id": [b"1", None, b"2", b"", b"1"]}, first=FIRST - 2)
    rows = sent(KeyHashEncoder(KEY), batch, HASHES)
    assert [row["place"] for row in rows] == [2, 3, 3]
    assert rows[0]["hash"] == rows[2]["hash"] != rows[1]["hash"]
    assert KeyHashEncoder(KEY).templates == (KEY,)
    assert KeyHashEncoder(KEY).keys(batch.take(pa.array([0]))).to_pylist() == [b"k:1"]


def filter_of(*keys: bytes, size: int = 16) -> HashFilter:
    bits = bytearray(1 << size - 3)
    for hash_ in hashes_of(pa.array(keys, pa.binary())).to_pylist():
        slot = hash_ >> 64 - size
        bits[slot >> 3] |= 1 << (slot & 7)
    return HashFilter(bytes(bits), size)


def test_a_filter_passes_what_was_put_into_it() -> None:
    keys = [b"%d" % number for number in range(100)]
    passes = filter_of(*keys[:5]).passes(hashes_of(pa.array(keys, pa.binary())))
    assert passes.to_pylist() == [True] * 5 + [False] * 95


def test_suspected_keys_are_written_whole_if_the_load_can_encode_their_records() -> None:
    encoder = CandidateEncoder(KEY, LOAD, filter_of(b"1", b"3"))
    batch = batch_of({"id": [b"1", b"2", b"1", b"3"], "value": [b"a", b"b", None, b"c"]}, first=FIRST)
    rows = sent(encoder, batch, KEYS)
    assert [(row["number"], row["key"]) for row in rows] == [(FIRST, b"k:1"), (FIRST + 3, b"k:3")]
    assert [row["hash"] for row in rows] == hashes_of(pa.array([b"1", b"3"], pa.binary())).to_pylist()
    assert encoder.templates == LOAD.templates
    assert encoder.keys(batch.take(pa.array([0]))).to_pylist() == [b"k:1"]


def test_a_batch_may_have_nothing_to_write() -> None:
    assert (
        sent(CandidateEncoder(KEY, LOAD, filter_of()), batch_of({"id": [b"1"], "value": [b"a"]}), KEYS) == []
    )
    assert sent(KeyHashEncoder(KEY), batch_of({"id": []}), HASHES) == []
