"""Every strategy keeps the contract of an encoder (``etl/testing/encoder.py``).

A new one is a new line in LOADS, CHECKS or PREPASSES. What the commands do to a server is the matter of
``test_types.py``.
"""

from __future__ import annotations

import pyarrow as pa

from etl.encode.choose import checker, rdb_encoder
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.file import VERSIONS
from etl.encode.rdb.hashes import LISTPACK, ZIPLIST
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.encode.strategies.restore import RestoreEncoder
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.plan import Encoder
from etl.sink.error_replies import error_reply
from etl.testing.encoder import HOSTILE, CountingContract, LoadContract, PrepassContract
from tests.unit.encode.given import mapping_of, template
from tests.unit.encode.rdb_file_oracle import read_entries

MINUTE = Expiry("PX", template("60000"))
FIELD_TTL = Expiry("EX", template("{ttl}"))
FIELD_TIME = Expiry("EXAT", template("{ttl}"))

MAPPINGS: dict[str, RecordMapping] = {
    "string": mapping_of(),
    "string-line-as-key": mapping_of(key="{v}", value="{id}"),
    "string-skip": mapping_of(if_exists="skip"),
    "string-fail": mapping_of(if_exists="fail"),
    "string-ttl": mapping_of(expiry=MINUTE),
    "string-ttl-field": mapping_of(expiry=FIELD_TTL, if_exists="skip"),
    "string-time-field": mapping_of(expiry=FIELD_TIME),
    "hash": mapping_of("hash"),
    "hash-merge": mapping_of("hash", if_exists="merge"),
    "hash-ttl": mapping_of("hash", expiry=FIELD_TTL),
    "json": mapping_of("json"),
    "json-merge-ttl": mapping_of("json", if_exists="merge", expiry=MINUTE),
    "list": mapping_of("list"),
    "list-one-key": mapping_of("list", key="all"),
    "set": mapping_of("set", expiry=FIELD_TIME),
    "set-one-key": mapping_of("set", key="all"),
    "set-one-key-ttl": mapping_of("set", key="all", expiry=MINUTE),
    "set-one-key-ttl-field": mapping_of("set", key="all", expiry=FIELD_TTL),
    "zset": mapping_of("zset", score="{ttl}"),
    "zset-one-key": mapping_of("zset", key="all", score="{ttl}"),
    "stream": mapping_of("stream", expiry=MINUTE),
    "command": mapping_of("string", "HSET h:{id} v {v}", if_exists="merge"),
    "command-one-key": mapping_of("string", "SADD all {v}", if_exists="merge"),
    "command-all": mapping_of("string", "HSET h:{id} {*}", if_exists="merge"),
    "commands": mapping_of(
        "string", "SET s:{id} {v} EX 60", "SADD all {v}", "HSET h {#} {v}", if_exists="merge"
    ),
    "command-members": mapping_of("string", "RPUSH tags:{id} {v} {tags[]}", if_exists="merge"),
    "command-any": mapping_of("string", "XADD s:{id} MAXLEN 5 * v {v}", if_exists="merge"),
}

LOADS: dict[str, Encoder] = {
    **{name: mapping.encoder() for name, mapping in MAPPINGS.items()},
    **{f"{name}, one by one": mapping.single() for name, mapping in MAPPINGS.items()},
    "mset by slot": SlotMsetEncoder(template("k:{id}"), template("{v}")),
    "restore": RestoreEncoder(template("k:{id}"), (), "replace", LISTPACK),
    "restore-old": RestoreEncoder(template("k:{id}"), (), "replace", ZIPLIST),
    "restore-skip-ttl": RestoreEncoder(
        template("k:{id}"), (template("EX"), template("{ttl}")), "skip", LISTPACK
    ),
}
CHECKS: dict[str, Encoder] = {
    f"check-{name}": checker(mapping)
    for name, mapping in MAPPINGS.items()
    if name not in ("stream", "command-any")
}
PREPASSES: dict[str, Encoder] = {
    "clear": ClearEncoder(template("k:{id}")),
    "probe-skip": ProbeEncoder(template("k:{id}"), refuse=False),
    "probe-fail": ProbeEncoder(template("k:{id}"), refuse=True),
}


RDB: dict[str, RdbEncoder] = {
    f"{name}, version {version}": rdb_encoder(mapping, version=version, base_ms=1)
    for version in VERSIONS
    for name, mapping in {
        **{
            name: mapping
            for name, mapping in MAPPINGS.items()
            if "one-key" not in name and not mapping.commands and mapping.if_exists != "merge"
        },
        "list-members": mapping_of("list", value="{tags[]}"),
        "set-members": mapping_of("set", value="t:{tags[]}", expiry=FIELD_TTL),
        "zset-members": mapping_of("zset", value="{tags[]}", score="{ttl}"),
    }.items()
}


class TestLoads(LoadContract):
    encoders = LOADS


class TestChecks(CountingContract):
    encoders = CHECKS


class TestPrepasses(PrepassContract):
    encoders = PREPASSES


class TestRdbEntries(CountingContract):
    """Entries of RDB files are no commands, and nobody answers; what holds of commands holds of them too."""

    encoders = RDB

    def test_a_wire_is_commands_in_arrays_of_bulk_strings_that_cover_the_batch(self) -> None:
        for name, _, batch, wire in self.each():
            data = b"".join(wire.buffers)
            assert wire.nbytes == len(data), name
            assert len(read_entries(data)) == RDB[name].entries_in(wire) == wire.records == len(batch), name

    def test_a_group_of_commands_carries_the_records_of_its_boundaries(self) -> None:
        for name, encoder, batch, wire in self.each():
            alone = (encoder.encode(batch.take(pa.array([at]))) for at in range(min(len(batch), 3)))
            made = b"".join(buffer for one in alone for buffer in one.buffers)
            assert b"".join(wire.buffers).startswith(made), name

    def test_a_record_has_a_key_by_which_a_cluster_finds_its_node(self) -> None:
        for name, encoder, batch, wire in self.each():
            assert encoder.keys(batch).to_pylist() == list(read_entries(b"".join(wire.buffers))), name

    def test_data_cannot_become_a_command(self) -> None:
        for name, encoder in self.encoders.items():
            for value in HOSTILE:
                batch = self.batch([value, b"b"])
                found = read_entries(b"".join(encoder.encode(batch).buffers))
                assert list(found) == encoder.keys(batch).to_pylist(), name


def test_what_sends_records_one_by_one_blames_each_for_itself() -> None:
    batch = TestLoads().batch([b"%d" % number for number in range(20)])
    for name, mapping in MAPPINGS.items():
        encoder = mapping.single()
        wire = encoder.encode(batch)
        # Of an MSET's records none is at fault alone: whatever it is refused for holds for all of them.
        assert wire.groups == (1 if isinstance(encoder, MsetEncoder) else 20), name
        bad = error_reply("ERR this one is bad")
        result = encoder.read_replies(batch, wire, [bad] * wire.commands)
        assert [refusal.index for refusal in result.refusals] == list(range(20)), name
        assert not result.again, name
