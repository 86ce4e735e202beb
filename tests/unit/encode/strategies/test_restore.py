"""RESTORE of hashes: payloads against a slow writer and a real Redis's DUMP; commands, verdicts, probe."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.rdb import payload as dump
from etl.encode.rdb.hashes import (
    HASH_ENCODINGS,
    LISTPACK,
    MAX_FIELDS,
    MAX_LISTPACK_BYTES,
    ZIPLIST,
    HashEncoding,
)
from etl.encode.rdb.probe import objection, probe
from etl.encode.strategies import restore
from etl.encode.strategies.restore import RestoreEncoder
from etl.plan import Batch, BatchResult, Encoder, Refusal, Wire
from etl.sink.error_replies import error_reply
from etl.units import MIB
from tests.cases import cases
from tests.unit.encode import rdb_oracle
from tests.unit.encode.given import batch_of, commands_in, expected_in, template

Pairs = list[tuple[bytes, bytes]]
Records = list[Pairs]

BUSY = error_reply("BUSYKEY Target key name already exists.")
OOM = error_reply("OOM command not allowed when used memory > 'maxmemory'.")

EDGES = [
    *(0, 127, 128, -1, 4095, 4096, -4096, -4097, 32767, 32768, -32768, -32769, 8388607, 8388608, -8388608),
    *(-8388609, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63)),
]

DUMPED: list[tuple[Pairs, bytes]] = [
    # What DUMP of Redis 7.0.15 gave after HSET, with rdbcompression off and hash-max-listpack-value raised.
    (
        [(b"a", b"1"), (b"b", b"x")],
        b"\x10\x12\x12\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x81x\x02\xff\n\0x\x07Lk\xd9\xd7\x05\x1f",
    ),
    (
        [(b"n%d" % at, b"%d" % number) for at, number in enumerate(EDGES)],
        b"\x10@\xdf\xdf\0\0\0,\0\x82n0\x03\0\x01\x82n1\x03\x7f\x01\x82n2\x03\xc0\x80\x02\x82n3\x03\xdf\xff\x02"
        b"\x82n4\x03\xcf\xff\x02\x82n5\x03\xf1\0\x10\x03\x82n6\x03\xd0\0\x02\x82n7\x03\xf1\xff\xef\x03\x82n8"
        b"\x03\xf1\xff\x7f\x03\x82n9\x03\xf2\0\x80\0\x04\x83n10\x04\xf1\0\x80\x03\x83n11\x04\xf2\xff\x7f\xff"
        b"\x04\x83n12\x04\xf2\xff\xff\x7f\x04\x83n13\x04\xf3\0\0\x80\0\x05\x83n14\x04\xf2\0\0\x80\x04\x83n15"
        b"\x04\xf3\xff\xff\x7f\xff\x05\x83n16\x04\xf3\xff\xff\xff\x7f\x05\x83n17\x04\xf4\0\0\0\x80\0\0\0\0\t"
        b"\x83n18\x04\xf3\0\0\0\x80\x05\x83n19\x04\xf4\xff\xff\xff\x7f\xff\xff\xff\xff\t\x83n20\x04\xf4\xff"
        b"\xff\xff\xff\xff\xff\xff\x7f\t\x83n21\x04\xf4\0\0\0\0\0\0\0\x80\t\xff\n\0\xb3L\xf5\xa5L\x070\x8c",
    ),
    (
        [
            *((b"", b""), (b"7", b"007"), (b"plus", b"+1"), (b"minus", b"-0"), (b"-12", b"1.0")),
            *((b"over", b"9223372036854775808"), (b"under", b"-9223372036854775809")),
            *((b"space", b" 1"), (b"nul", b"a\0b")),
        ],
        b"\x10@||\0\0\0\x12\0\x80\x01\x80\x01\x07\x01\x83007\x04\x84plus\x05\x82+1\x03\x85minus\x06\x82-0\x03"
        b"\xdf\xf4\x02\x831.0\x04\x84over\x05\x939223372036854775808\x14\x85under\x06\x94-9223372036854775809"
        b"\x15\x85space\x06\x82 1\x03\x83nul\x04\x83a\0b\x04\xff\n\x001\x97Y\x03$\xb7G\xbe",
    ),
    (
        [(b"f", b"x" * 63)],
        b"\x10@KK\0\0\0\x02\0\x81f\x02\xbf" + b"x" * 63 + b"@\xff\n\0\x84\\v\r\xb2\x08\xc7\xb6",
    ),
    (
        [(b"f", b"x" * 126)],
        b"\x10@\x8c\x8c\0\0\0\x02\0\x81f\x02\xe0~"
        + b"x" * 126
        + b"\x01\x80\xff\n\0\x11\x8b\x9b`a\xbf\xc3\x95",
    ),
]


DUMPED_ZIPLISTS: list[tuple[Pairs, bytes]] = [
    # What DUMP of Redis 6.2.14 gave after HSET, with rdbcompression off and hash-max-ziplist-value raised.
    (
        [(b"a", b"x"), (b"b", b"")],
        b"\r\x16\x16\0\0\0\x13\0\0\0\x04\0\0\x01a\x03\x01x\x03\x01b\x03\0\xff\t\0z\xd4\x84^1\xb7\x14\xc7",
    ),
    (
        [(b"f", b"x" * 63), (b"g", b"y" * 64), (b"", b"z")],
        b"\r@\x9a\x9a\0\0\0\x96\0\0\0\x06\0\0\x01f\x03?"
        + b"x" * 63
        + b"A\x01g\x03@@"
        + b"y" * 64
        + b'C\0\x02\x01z\xff\t\0\xba\xa2c\xf9\x1d\x9d["',
    ),
    (
        [(b"f", b"x" * 250), (b"g", b"y" * 251), (b"h", b"x" * 252), (b"n" * 70, b"a\0b")],
        b"\rCdd\x03\0\0^\x03\0\0\x08\0\0\x01f\x03@\xfa"
        + b"x" * 250
        + b"\xfd\x01g\x03@\xfb"
        + b"y" * 251
        + b"\xfe\xfe\0\0\0\x01h\x07@\xfc"
        + b"x" * 252
        + b"\xfe\xff\0\0\0@F"
        + b"n" * 70
        + b"M\x03a\0b\xff\t\0\xb7Z\xb5\x8b9\xa9\xd6\xae",
    ),
]


def encoder(
    expiry: str = "", if_exists: str = "replace", key: str = "k:{id}", form: HashEncoding = LISTPACK
) -> RestoreEncoder:
    return RestoreEncoder(template(key), tuple(map(template, expiry.split())), if_exists, form)


def batch(records: Records, **more: Any) -> Batch:
    """Make a batch of records whose key field ``id`` is none of the hash's fields."""
    names = list(dict.fromkeys(name for record in records for name, _ in record))
    columns = {
        name.decode("utf-8", "surrogateescape"): [dict(r).get(name) for r in records] for name in names
    }
    spread = tuple(columns)
    return batch_of({**columns, "id": [b"%d" % at for at in range(len(records))]}, spread=spread, **more)


def payloads(records: Records, form: HashEncoding = LISTPACK) -> list[bytes]:
    return [command[3] for command in commands_in(encoder(form=form).encode(batch(records)))]


def fits(pairs: Pairs) -> bool:
    """Say from the documented bounds whether a record goes as a listpack."""
    longest = max(len(word) for pair in pairs for word in pair)
    if len(pairs) > MAX_FIELDS or longest > 4095:
        return False
    listpack = rdb_oracle.write_listpack([word for pair in pairs for word in pair])
    return len(listpack) + len(listpack[:2] + b"\n\0") - 6 <= MAX_LISTPACK_BYTES


names = st.sampled_from(
    [
        *(b"a", b"name", b"7", b"-4097", "naïve".encode(), b"\0"),
        *(b"n" * length for length in (63, 64, 240, 241, 4096)),
    ]
)
lengths = st.sampled_from([0, 1, 62, 63, 64, 65, 125, 126, 127, *range(248, 256), 4094, 4095, 4096, 16384])
values = st.one_of(
    st.sampled_from([b"%d" % (edge + step) for edge in EDGES for step in (-1, 0, 1)]),
    st.sampled_from([b"007", b"-0", b"+1", b"1.10", b"1e5", b""]),
    st.builds(lambda length, byte: byte * length, lengths, st.sampled_from([b"v", b"\xff", b"9", b"\0"])),
    st.binary(max_size=80),
    st.text(max_size=20).map(str.encode),
)
records_of_a_batch = st.lists(
    st.dictionaries(names, values, min_size=1, max_size=6).map(lambda found: list(found.items())),
    min_size=1,
    max_size=12,
)


def in_column_order(records: Records) -> Records:
    order = list(dict.fromkeys(name for record in records for name, _ in record))
    return [sorted(record, key=lambda pair: order.index(pair[0])) for record in records]


@given(records_of_a_batch)
def test_payloads_are_those_of_the_slow_writer(records: Records) -> None:
    records = in_column_order(records)
    slow = [rdb_oracle.write_payload(r) if fits(r) else rdb_oracle.write_table(r) for r in records]
    assert payloads(records) == slow


@given(records_of_a_batch)
def test_the_slow_reader_finds_every_field_in_order(records: Records) -> None:
    records = in_column_order(records)
    assert [rdb_oracle.read_payload(payload)[1] for payload in payloads(records)] == records


@cases(("pairs", "dumped"), DUMPED)
def test_a_payload_is_byte_for_byte_what_redis_dumps(pairs: Pairs, dumped: bytes) -> None:
    assert payloads([pairs]) == [dumped]
    assert dump.payload(pairs, LISTPACK) == dumped
    assert rdb_oracle.read_payload(dumped) == ("listpack", pairs)
    assert rdb_oracle.write_payload(pairs) == dumped


@given(records_of_a_batch)
def test_ziplists_are_those_of_the_slow_writer(records: Records) -> None:
    records = in_column_order(records)
    slow = [
        rdb_oracle.write_ziplist(record)
        if fits(record) and all(len(name) <= 240 for name, _ in record)
        else rdb_oracle.write_table(record, version=9)
        for record in records
    ]
    assert payloads(records, ZIPLIST) == slow


@pytest.mark.parametrize(("pairs", "dumped"), DUMPED_ZIPLISTS)
def test_a_ziplist_is_byte_for_byte_what_redis_dumps(pairs: Pairs, dumped: bytes) -> None:
    assert payloads([pairs], ZIPLIST) == [dumped]
    assert rdb_oracle.write_ziplist(pairs) == dumped


def test_a_hash_table_is_byte_for_byte_what_redis_dumps() -> None:
    dumped = b"\x04\x01\x01f\x01v\n\0\xad\xf2CV\xb1\x86\x0e\xfc"
    assert rdb_oracle.write_table([(b"f", b"v")]) == dumped


def test_the_slow_reader_notices_a_damaged_payload() -> None:
    good = DUMPED[0][1]
    for at in range(len(good)):
        damaged = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        with pytest.raises(AssertionError):
            rdb_oracle.read_payload(damaged)


# What suits a listpack

SMALL: Pairs = [(b"a", b"1"), (b"b", b"two")]


@cases(
    ("pairs", "kind"),
    [
        ([(b"v", b"x" * 4095)], "listpack"),
        ([(b"v", b"x" * 4096)], "hashtable"),
        ([(b"n" * 4095, b"x")], "listpack"),
        ([(b"n" * 4096, b"x")], "hashtable"),
        ([(b"f%d" % at, b"x") for at in range(512)], "listpack"),
        ([(b"f%d" % at, b"x") for at in range(513)], "hashtable"),
        ([(b"f%d" % at, b"x" * 4000) for at in range(16)], "listpack"),
        ([(b"f%d" % at, b"x" * 4000) for at in range(17)], "hashtable"),
        ([(b"v", b"x" * 16384)], "hashtable"),
        ([(b"v", b"x" * 100_000), (b"w", b"")], "hashtable"),
    ],
)
def test_large_records_go_as_hash_tables_among_their_neighbours(pairs: Pairs, kind: str) -> None:
    for records in ([pairs], [pairs, pairs], [SMALL, pairs, SMALL, pairs, pairs, SMALL]):
        found = [rdb_oracle.read_payload(payload) for payload in payloads(records)]
        assert found == [("listpack" if record is SMALL else kind, record) for record in records]


def test_all_reasons_against_a_listpack_may_meet_in_one_batch() -> None:
    records: Records = [
        [(b"n" * 5000, b"x"), (b"a", b"1")],
        [(b"a", b"2")],
        [(b"a", b"x" * 5000)],
        [(b"f%03d" % at, b"1") for at in range(600)],
        [(b"g%03d" % at, b"x" * 1000) for at in range(80)],
        [(b"a", b"3"), (b"f001", b"4")],
    ]
    kinds = [rdb_oracle.read_payload(payload) for payload in payloads(records)]
    assert [kind for kind, _ in kinds] == ["hashtable", "listpack", *["hashtable"] * 3, "listpack"]
    assert [dict(pairs) for _, pairs in kinds] == [dict(record) for record in records]


def test_a_batch_of_many_records_is_whole() -> None:
    records = [[(b"n", b"%d" % at), (b"v", b"x" * (at % 300))] for at in range(1000)]
    assert payloads(records) == list(map(rdb_oracle.write_payload, records))


def test_a_slice_of_a_batch_has_its_own_records_only() -> None:
    records = [[(b"n", b"%d" % at), (b"v", b"x" * at)] for at in range(20)]
    whole = batch(records)
    part = Batch(fields=whole.fields.slice(5, 3), spread=whole.spread)
    assert [command[3] for command in commands_in(encoder().encode(part))] == payloads(records[5:8])


def test_a_field_that_is_named_twice_is_sent_once() -> None:
    doubled = batch_of({"a": [b"1"], "id": [b"x"]}, spread=("a", "a"))
    (command,) = commands_in(encoder().encode(doubled))
    assert rdb_oracle.read_payload(command[3]) == ("listpack", [(b"a", b"1")])


def test_a_column_that_no_record_has_is_left_out() -> None:
    absent = batch_of({"a": [b"1"], "b": [None], "id": [b"x"]}, spread=("a", "b", "gone"))
    (command,) = commands_in(encoder().encode(absent))
    assert rdb_oracle.read_payload(command[3]) == ("listpack", [(b"a", b"1")])


# Commands


@cases(
    ("expiry", "if_exists", "ttls", "flags"),
    [
        ("", "replace", [b"0", b"0"], [b"REPLACE"]),
        ("", "skip", [b"0", b"0"], []),
        ("", "fail", [b"0", b"0"], []),
        ("PX 60000", "replace", [b"60000", b"60000"], [b"REPLACE"]),
        ("EX 60", "skip", [b"60000", b"60000"], []),
        ("EX {ttl}", "replace", [b"7000", b"123456000"], [b"REPLACE"]),
        ("EXAT {ttl}", "replace", [b"7000", b"123456000"], [b"REPLACE", b"ABSTTL"]),
        ("PXAT {ttl}", "fail", [b"7", b"123456"], [b"ABSTTL"]),
        ("EXAT 1{ttl}", "skip", [b"17000", b"1123456000"], [b"ABSTTL"]),
    ],
)
def test_expiry_and_if_exists_ride_in_the_command(
    expiry: str, if_exists: str, ttls: list[bytes], flags: list[bytes]
) -> None:
    given_batch = batch_of({"id": [b"1", b"two"], "v": [b"x", b"y"], "ttl": [b"7", b"123456"]}, spread=("v",))
    wire = encoder(expiry, if_exists).encode(given_batch)
    assert commands_in(wire) == [
        [b"RESTORE", key, ttl, rdb_oracle.write_payload([(b"v", value)]), *flags]
        for key, ttl, value in zip([b"k:1", b"k:two"], ttls, [b"x", b"y"], strict=True)
    ]
    assert expected_in(wire) == [b"OK", b"OK"]


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("{id}", [b"a", b"b" * 2000]),
        ("{id}{id}:{#}", [b"aa:7", b"b" * 4000 + b":8"]),
        ("{{{id}}}", [b"{a}", b"{" + b"b" * 2000 + b"}"]),
        ("constant", [b"constant", b"constant"]),
    ],
)
def test_the_key_is_what_its_template_says(key: str, keys: list[bytes]) -> None:
    given_batch = batch_of({"id": [b"a", b"b" * 2000], "v": [b"1", b"2"]}, first=7)
    assert [command[1] for command in commands_in(encoder(key=key).encode(given_batch))] == keys


def test_a_key_longer_than_any_table_is_whole() -> None:
    given_batch = batch_of({"id": [b"a", b"b" * 20_000], "v": [b"1", b"2"]})
    assert [command[1] for command in commands_in(encoder().encode(given_batch))] == [
        b"k:a",
        b"k:" + b"b" * 20_000,
    ]


# Parting


def test_records_that_cannot_be_encoded_are_parted_with_their_reasons() -> None:
    given_batch = batch_of(
        {
            "id": [b"1", None, b"3", b"4", b"5"],
            "v": [b"x", b"x", None, b"x", b"x"],
            "ttl": [b"1", b"1", b"1", None, b"soon"],
        },
        spread=("v",),
    )
    good, refusals = encoder("EX {ttl}").split_encodable(given_batch)
    assert len(good) == 1
    assert refusals == [
        Refusal(1, "it has no field {id}"),
        Refusal(2, "it has no fields"),
        Refusal(3, "it has no field {ttl}"),
        Refusal(4, "its expiry is no positive whole number"),
    ]


def test_a_hash_too_large_for_one_argument_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "MAX_RECORD_BYTES", MIB + 1000)
    given_batch = batch_of(
        {"id": [b"1", b"2", b"3", None], "v": [b"x", b"x" * 990, None, b"y"]}, spread=("v",)
    )
    good, refusals = encoder().split_encodable(given_batch)
    assert good.fields.column("id").to_pylist() == [b"1"]
    assert [refusal.index for refusal in refusals] == [1, 2, 3]
    assert [str(refusal.reason)[:12] for refusal in refusals] == [
        "its hash has",
        "it has no fi",
        "it has no fi",
    ]


def test_the_contract_of_encoders_is_kept() -> None:
    member: Encoder = encoder("EX {ttl}")
    assert {name for part in member.templates for name in part.fields} == {"id", "*", "ttl"}


# Verdicts


def answered(if_exists: str, replies: list[Any] | None, records: int = 3) -> BatchResult:
    given_batch = batch([SMALL] * records)
    member = encoder(if_exists=if_exists)
    return member.read_replies(given_batch, member.encode(given_batch), replies)


@cases(
    ("if_exists", "replies", "result"),
    [
        ("replace", None, BatchResult(written=3)),
        ("replace", [b"OK", b"OK", b"OK"], BatchResult(written=3)),
        ("replace", [b"OK", OOM, b"OK"], BatchResult(written=2, refusals=(Refusal(1, OOM),))),
        ("skip", [BUSY, b"OK", BUSY], BatchResult(written=1, skipped=2)),
        ("skip", [BUSY, OOM, b"OK"], BatchResult(written=1, skipped=1, refusals=(Refusal(1, OOM),))),
        ("fail", [b"OK", BUSY, b"OK"], BatchResult(written=2, refusals=(Refusal(1, "its key exists"),))),
        ("fail", [1, b"OK", b"OK"], BatchResult(written=2, refusals=(Refusal(0, "RESTORE answered 1"),))),
    ],
)
def test_every_reply_counts_for_its_record(
    if_exists: str, replies: list[Any] | None, result: BatchResult
) -> None:
    assert answered(if_exists, replies) == result


# The probe

HGETALLS = [
    [
        b"",
        b"",
        b"small",
        b"7",
        b"negative",
        b"-300",
        b"large",
        b"-9000000000",
        b"text",
        b"007",
        b"long",
        bytes(65),
    ],
    [b"short", b"1", b"long", b"x" * 4096],
]
FINE: list[Any] = [b"OK", HGETALLS[0], b"listpack", b"OK", HGETALLS[1], 1]


@pytest.mark.parametrize("form", HASH_ENCODINGS, ids=lambda form: form.encoding)
def test_the_probe_tries_both_kinds_of_payload_and_removes_its_key(form: HashEncoding) -> None:
    wire: Wire = probe(b"etl:{j}:probe", form)
    commands = commands_in(wire)
    assert [command[0] for command in commands] == [
        *(b"RESTORE", b"HGETALL", b"OBJECT", b"RESTORE", b"HGETALL", b"DEL"),
    ]
    assert all(b"etl:{j}:probe" in command for command in commands)
    compact, table = [command[3] for command in commands if command[0] == b"RESTORE"]
    small, large = ([*zip(words[::2], words[1::2], strict=True)] for words in HGETALLS)
    assert compact == dump.payload(small, form)
    assert table == rdb_oracle.write_table(large, version=form.version)


def test_a_server_that_answers_as_it_should_has_no_objection() -> None:
    assert objection(FINE, LISTPACK) is None
    long_first = HGETALLS[1][2:] + HGETALLS[1][:2]
    assert objection([*FINE[:4], long_first, 1], LISTPACK) is None
    assert objection([*FINE[:2], b"ziplist", *FINE[3:]], ZIPLIST) is None


@cases(
    ("at", "reply", "reason"),
    [
        (0, error_reply("NOPERM no permissions"), "RESTORE of a listpack was refused: NOPERM"),
        (0, b"QUEUED", "RESTORE of a listpack answered b'QUEUED' instead of b'OK'"),
        (1, [b"a", b"b"], "HGETALL of a listpack does not return the hash"),
        (1, [], "HGETALL of a listpack does not return the hash"),
        (2, b"hashtable", "OBJECT ENCODING answered b'hashtable' instead of b'listpack'"),
        (3, error_reply("ERR Bad data format"), "RESTORE of a hash table was refused: ERR Bad"),
        (4, None, "HGETALL of a hash table does not return the hash"),
        (5, 0, "DEL answered 0 instead of 1"),
    ],
)
def test_any_other_answer_is_an_objection(at: int, reply: Any, reason: str) -> None:
    replies = [*FINE[:at], reply, *FINE[at + 1 :]]
    assert (objection(replies, LISTPACK) or "").startswith(reason)


def test_a_column_of_binary_is_all_that_is_needed() -> None:
    payload = dump.payload([(b"f", b"v")], LISTPACK)
    (again,) = payloads([[(b"f", b"v")]])
    assert payload == again
    assert pa.types.is_binary(batch([[(b"f", b"v")]]).fields.column("f").type)
