"""Records as entries of RDB files, read back by a slow reader (``rdb_file_oracle.py``)."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import one_record_a_key, rdb_encoder
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb import parts as rdb_parts
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.file import END, VERSIONS, crc_of, header, trailer
from etl.errors import UsageError
from etl.plan import Batch, BatchResult
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_shape, mapping_of, template
from tests.unit.encode.rdb_file_oracle import Found, read_entries, read_file

NOW = 1_700_000_000_000
Record = dict[str, bytes]

values = st.one_of(
    st.sampled_from([b"", b"7", b"-4097", b"007", b"1.10", b"\0\xff", b"v" * 63, b"v" * 64, b"v" * 5000]),
    st.binary(max_size=80),
)
records = st.lists(
    st.dictionaries(st.sampled_from(["v", "a", "7", "n" * 300]), values, min_size=1), min_size=1, max_size=12
)


def encoder_of(kind: str, *, version: int = 10, **more: Any) -> RdbEncoder:
    return rdb_encoder(mapping_of(kind, **more), version=version, base_ms=NOW)


def keyed(records: list[Record], first: int = 0, **more: list[bytes]) -> Batch:
    """Make a batch of records with an id each; ``{*}`` is all but that."""
    names = list(dict.fromkeys(name for record in records for name in record))
    fields: dict[str, Any] = {name: [record.get(name) for record in records] for name in names}
    ids = [b"%d" % (first + at) for at in range(len(records))]
    return batch_of({**fields, **more, "id": ids}, spread=names, first=first)


def entries_of(encoder: RdbEncoder, batch: Batch) -> dict[bytes, Found]:
    """Encode what can be encoded, look at what the wire says of itself, and read it.

    Workers have the encoder from the parent: so it has travelled.
    """
    encoder = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - our own
    good, _ = encoder.split_encodable(batch)
    wire = encoder.encode(good)
    data = b"".join(wire.buffers)
    assert wire.nbytes == len(data)
    assert wire.expected is None
    assert wire.records == len(good)
    assert encoder.read_replies(good, wire, None) == BatchResult(written=len(good))
    found = read_entries(data)
    assert len(found) == encoder.entries_in(wire)
    assert all((one.expires_at is not None) == encoder.expires for one in found.values())
    return found


@given(values=st.lists(values, min_size=1, max_size=12))
@cases("kind", ["string", "json"])
def test_a_string_is_its_value_whatever_it_holds(kind: str, values: list[bytes]) -> None:
    found = entries_of(encoder_of(kind), keyed([{"v": value} for value in values]))
    assert found == {b"k:%d" % at: Found(value, "string") for at, value in enumerate(values)}


@given(records=records)
@cases("version", VERSIONS)
def test_a_hash_is_its_fields_in_the_encoding_of_the_version(version: int, records: list[Record]) -> None:
    found = entries_of(encoder_of("hash", version=version), keyed(records))
    compact = "ziplist" if version == 9 else "listpack"
    for at, record in enumerate(records):
        large = any(len(value) > 4095 for value in record.values()) or (version == 9 and "n" * 300 in record)
        fields = {name.encode(): value for name, value in record.items()}
        assert found[b"k:%d" % at] == Found(fields, "hash" if large else compact)


def test_a_file_of_header_entries_end_and_trailer_is_read_back() -> None:
    encoder = encoder_of("string", expiry=Expiry("PX", template("60000")))
    wire = encoder.encode(keyed([{"v": b"a"}, {"v": b"b"}]))
    entries = b"".join(wire.buffers)
    data = header(10, {b"redis-bits": b"64"}, keys=2, expires=2) + entries + END
    version, found = read_file(data + trailer(crc_of(data)))
    assert version == 10
    assert found == {
        key: Found(value, "string", NOW + 60_000) for key, value in ((b"k:0", b"a"), (b"k:1", b"b"))
    }


@cases(
    ("word", "value", "expires_at"),
    [
        ("PX", "60000", NOW + 60_000),
        ("EX", "60", NOW + 60_000),
        ("PXAT", "1800000000000", 1_800_000_000_000),
        ("EXAT", "1800000000", 1_800_000_000_000),
        ("PX", "{t}", NOW + 77),
        ("EX", "{t}", NOW + 77_000),
        ("PXAT", "{t}", 77),
        ("EXAT", "{t}", 77_000),
    ],
)
def test_expiries_are_moments_in_milliseconds(word: str, value: str, expires_at: int) -> None:
    for kind in ("string", "hash"):
        encoder = encoder_of(kind, expiry=Expiry(word, template(value)))
        found = entries_of(encoder, keyed([{"v": b"a"}] * 2, t=[b"77", b"77"]))
        assert [one.expires_at for one in found.values()] == [expires_at] * 2


def test_what_a_load_into_a_server_refuses_is_refused_in_the_same_words() -> None:
    expiry = Expiry("EX", template("{t}"))
    batch = batch_of(
        {"id": [b"1", None, b"", b"4"], "v": [b"a", b"b", b"c", None], "t": [b"5", b"5", b"5", b"x"]},
        spread=["v"],
    )
    for kind in ("string", "hash", "json"):
        mapping = mapping_of(kind, expiry=expiry)
        good, refusals = rdb_encoder(mapping, version=10, base_ms=NOW).split_encodable(batch)
        assert (good.numbers.to_pylist() if good.numbers else [], refusals) == (
            [0],
            mapping.single().split_encodable(batch)[1],
        )
        assert len(refusals) == 3


def test_a_command_and_a_merge_have_no_place_in_an_rdb_file() -> None:
    with pytest.raises(UsageError, match=r"--command cannot be written into an RDB file.*--as, --key"):
        rdb_encoder(commands_shape("SET k:{id} {v}"), version=10, base_ms=NOW)
    for kind in ("string", "hash", "json", "list", "set", "zset", "stream"):
        with pytest.raises(UsageError, match=r"--if-exists merge .* use replace"):
            encoder_of(kind, if_exists="merge")


def test_of_some_types_a_later_record_replaces_an_earlier_one_and_of_others_it_cannot() -> None:
    for alone, kinds in ((False, ("string", "hash", "json")), (True, ("list", "set", "zset", "stream"))):
        assert {one_record_a_key(mapping_of(kind)) for kind in kinds} == {alone}


def packed(size: int, **more: Any) -> RecordMapping:
    return replace(mapping_of("string", key="b:{#}", **more), pack=size)


@given(
    values=st.lists(values, min_size=1, max_size=40),
    first=st.integers(0, 20),
    size=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    lacking=st.sets(st.integers(0, 39), max_size=3),
)
@cases("version", [9, 10])
def test_a_bucket_is_one_entry_wherever_batches_are_cut(
    version: int, values: list[bytes], first: int, size: int, cuts: list[int], lacking: set[int]
) -> None:
    encoder = rdb_encoder(packed(size), version=version, base_ms=NOW)
    batch = keyed([{"v": value} for value in values], first=first)
    there = [at for at in range(len(values)) if at not in lacking]
    expected: dict[bytes, dict[bytes, bytes]] = {}
    for at in there:
        bucket, field = divmod(first + at, size)
        expected.setdefault(b"b:%d" % bucket, {})[b"%d" % field] = values[at]
    data, parts, entries = b"", [], 0
    bounds = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    for start, stop in pairwise(bounds):
        some = [at for at in there if start <= at < stop]
        if not some:
            continue
        wire = encoder.encode(batch.take(some))
        written = b"".join(wire.buffers)
        assert (wire.records, wire.nbytes) == (len(some), len(written))
        part = encoder.part_of(written)
        parts += [part] if part else []
        entries += encoder.entries_in(wire)
        data += written
    last = encoder.complete(parts)
    found = read_entries(data + b"".join(last.buffers))
    assert {key: one.value for key, one in found.items()} == expected
    assert entries + encoder.entries_in(last) == len(expected)


def test_buckets_in_the_order_of_their_slots_are_whole_too() -> None:
    encoder = rdb_encoder(packed(4), version=10, base_ms=NOW)
    batch = keyed([{"v": b"%d" % at} for at in range(2, 19)], first=2)
    order = [*range(10, 14), *range(2), *range(14, 17), *range(6, 10), *range(2, 6)]
    wire = encoder.encode(batch.take(order))
    written = b"".join(wire.buffers)
    part = encoder.part_of(written)
    assert part is not None
    assert sorted(part.numbers.to_pylist()) == [2, 3, 16, 17, 18]
    found = read_entries(written + b"".join(encoder.complete([part]).buffers))
    assert {key: len(one.value) for key, one in found.items()} == {
        b"b:0": 2,
        b"b:1": 4,
        b"b:2": 4,
        b"b:3": 4,
        b"b:4": 3,
    }


@cases("version", [9, 10])
def test_a_bucket_is_compact_where_its_values_are_small(version: int) -> None:
    encoder = rdb_encoder(packed(128, expiry=Expiry("EX", template("9"))), version=version, base_ms=NOW)
    lines = [b"x" * (at % 300) for at in range(512)]
    lines[200] = b"x" * 4096
    found = entries_of(encoder, keyed([{"v": line} for line in lines]))
    compact = "ziplist" if version == 9 else "listpack"
    assert {key: one.layout for key, one in found.items()} == {
        b"b:0": compact,
        b"b:1": "hash",
        b"b:2": compact,
        b"b:3": compact,
    }
    assert {one.expires_at for one in found.values()} == {NOW + 9000}
    large = entries_of(encoder, keyed([{"v": b"y" * 1000}] * 128))
    assert large[b"b:0"].layout == "hash"


def test_encoders_travel() -> None:
    for mapping in (mapping_of("hash"), mapping_of("string"), packed(4)):
        encoder = rdb_encoder(mapping, version=9, base_ms=NOW)
        assert pickle.loads(pickle.dumps(encoder)) == encoder  # noqa: S301 - our own


@given(
    cuts=st.lists(st.integers(1, 399), max_size=60),
    size=st.integers(1, 30),
    at_once=st.sampled_from([1, 2, 5, 99]),
)
def test_few_parts_are_held_and_each_bucket_is_made_once(cuts: list[int], size: int, at_once: int) -> None:
    encoder = rdb_encoder(packed(size), version=10, base_ms=NOW)
    bounds = sorted({0, 400, *cuts})
    data, parts = b"", []
    for start, stop in pairwise(bounds):
        wire = encoder.encode(keyed([{"v": b"%d" % at} for at in range(start, stop)], first=start))
        part = encoder.part_of(wire.buffers[0])
        parts += [part] if part else []
        data += b"".join(wire.buffers)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rdb_parts, "PARTS_AT_ONCE", at_once)
        wires = list(encoder.completed(iter(parts)))
    found = read_entries(data + b"".join(b"".join(wire.buffers) for wire in wires))
    expected: dict[bytes, dict[bytes, bytes]] = {}
    for number in range(400):
        expected.setdefault(b"b:%d" % (number // size), {})[b"%d" % (number % size)] = b"%d" % number
    assert {key: one.value for key, one in found.items()} == expected
