"""Every strategy keeps the contract of an encoder (``etl/testing/encoder.py``).

A new one is a new line in LOADS, CHECKS or PREPASSES. What the commands do to a server is the matter of
``test_types.py``.
"""

from __future__ import annotations

from etl.encode.choose import checker
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.hashes import LISTPACK, ZIPLIST
from etl.encode.strategies.mset import MsetEncoder
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.encode.strategies.restore import RestoreEncoder
from etl.encode.strategies.slot_mset import SlotMsetEncoder
from etl.plan import Encoder
from etl.sink.error_replies import error_reply
from etl.testing.encoder import CountingContract, LoadContract, PrepassContract
from tests.unit.encode.given import mapping_of, template

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


class TestLoads(LoadContract):
    encoders = LOADS


class TestChecks(CountingContract):
    encoders = CHECKS


class TestPrepasses(PrepassContract):
    encoders = PREPASSES


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
