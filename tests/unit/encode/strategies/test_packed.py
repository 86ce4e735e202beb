"""Packed strings: whatever the records and however they are cut, a server ends up with exactly the rule."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.encode.choose import checker
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.hashes import LISTPACK
from etl.encode.strategies.packed import PackEncoder
from etl.errors import UsageError
from etl.plan import Batch, BatchResult
from tests.cases import cases
from tests.examples import examples
from tests.unit.encode import rdb_oracle
from tests.unit.encode.given import (
    batch_of,
    commands_in,
    expected_in,
    lines_batch,
    load,
    mapping_of,
    send,
    template,
)
from tests.unit.encode.model import OK, Model, RefusedError

Records = dict[int, bytes]

MINUTE = Expiry("PX", template("60000"))
BUSY = "OOM command not allowed when used memory > 'maxmemory'."


class Server(Model):
    """A model that knows the commands of packed strings too; ``old`` knows neither RESTORE nor GETDEL."""

    def __init__(self, *, old: bool = False) -> None:
        super().__init__()
        self.old = old
        self.restored: dict[bytes, str] = {}

    def do_restore(self, key: bytes, ttl: bytes, payload: bytes, *flags: bytes) -> Any:
        assert not self.old
        assert flags in ((b"REPLACE",), (b"REPLACE", b"ABSTTL"))
        self.restored[key], pairs = rdb_oracle.read_payload(payload)
        self.keys[key] = dict(pairs)
        assert len(self.keys[key]) == len(pairs), "a field comes twice"
        self.expiries.pop(key, None)
        if int(ttl):
            self.expiries[key] = int(ttl)
        return OK

    def do_persist(self, key: bytes) -> int:
        return int(self.expiries.pop(key, None) is not None)

    def do_pexpireat(self, key: bytes, when: bytes) -> int:
        return self.do_pexpire(key, when)

    def do_getdel(self, key: bytes) -> Any:
        if self.old:
            raise RefusedError("ERR unknown command 'GETDEL'")
        value = self.get(key, bytes)
        self.keys.pop(key, None)
        self.expiries.pop(key, None)
        return value

    def do_hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in (self.get(key, dict) or {}).items() for word in pair]


def packed(size: int, *, restores: bool = False, **more: Any) -> RecordMapping:
    key = more.pop("key", "t:{#}:x")
    return replace(
        mapping_of(key=key, value="{line}", **more), pack=size, restores=LISTPACK if restores else None
    )


def by_the_rule(records: Records, size: int) -> dict[bytes, dict[bytes, bytes]]:
    buckets: dict[bytes, dict[bytes, bytes]] = {}
    for number, value in records.items():
        buckets.setdefault(b"t:%d:x" % (number // size), {})[b"%d" % (number % size)] = value
    return buckets


def batch_without(records: Records) -> Batch:
    """Make a batch of records whose numbers have holes."""
    batch = lines_batch(list(records.values()))
    return replace(batch, numbers=pa.array(list(records), pa.int64()))


def check(mapping: RecordMapping, batch: Batch, server: Server) -> BatchResult:
    return send(checker(mapping), batch, server)


values = st.one_of(
    st.sampled_from([b"", b"0", b"7", b"-1", b"007", b"127", b"128", b"-4097", b"9" * 18, b"\r\n$3\r\n"]),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.binary(max_size=12),
    st.builds(lambda length: b"v" * length, st.sampled_from([63, 64, 127, 1000, 4095, 4096])),
)


@st.composite
def batches(draw: st.DrawFn, most: int = 60) -> list[Records]:
    """Records in numbered runs with holes, cut anywhere, as workers send them: in any order."""
    first = draw(st.sampled_from([0, 0, 1, 7, 127, 2**40]))
    kind = draw(st.sampled_from([values, st.binary(min_size=8, max_size=8), st.just(b"12345678")]))
    lines = draw(st.lists(st.one_of(kind, kind, kind, kind, st.none()), min_size=1, max_size=most))
    lines = lines * draw(st.sampled_from([1, 1, 3]))
    cuts = sorted(draw(st.sets(st.integers(1, len(lines)), max_size=4)) | {0, len(lines)})
    numbered = [[(first + at, lines[at]) for at in range(*ends)] for ends in pairwise(cuts)]
    parts = [{number: line for number, line in part if line is not None} for part in numbered]
    found: list[Records] = draw(st.permutations([part for part in parts if part]))
    assume(found)
    return found


sizes = st.sampled_from([2, 3, 7, 8, 16, 64, 512])


@examples(5)
@given(parts=batches(), size=sizes, restores=st.booleans(), merge=st.booleans())
def test_any_records_cut_anywhere_are_where_the_rule_says(
    parts: list[Records], size: int, restores: bool, merge: bool
) -> None:
    mapping = packed(size, restores=restores and not merge, if_exists="merge" if merge else "replace")
    server = Server(old=not restores)
    encoder = mapping.encoder()
    for part in parts:
        batch = batch_without(part)
        wire = encoder.encode(batch)
        assert wire.records == len(part)
        assert list(wire.boundaries) == sorted(wire.boundaries)
        answers = b"".join(server.answer(command) for command in commands_in(wire))
        assert answers == bytes(wire.expected or b""), "an empty server answers as foretold"
    records = {number: value for part in parts for number, value in part.items()}
    assert server.keys == by_the_rule(records, size)
    assert server.expiries == {}
    for part in parts:
        wire = checker(mapping).encode(batch_without(part))
        answers = b"".join(server.answer(command) for command in commands_in(wire))
        assert answers == bytes(wire.expected or b""), "and verify needs to parse nothing"


@examples(1.5)
@given(parts=batches(), size=sizes, restores=st.booleans(), data=st.data())
def test_whatever_was_there_is_replaced_string_by_string(
    parts: list[Records], size: int, restores: bool, data: st.DataObject
) -> None:
    records = {number: value for part in parts for number, value in part.items()}
    mapping = packed(size, restores=restores)
    server = Server()
    for key in by_the_rule(records, size):
        before = data.draw(st.sampled_from([None, b"a string", {b"0": b"stale", b"1": b"stale"}]))
        if before is not None:
            server.keys[key] = before.copy() if isinstance(before, dict) else before
            server.expiries[key] = 1
    for part in parts:
        load(mapping, batch_without(part), server)
    assert server.expiries == {}
    for key, fields in by_the_rule(records, size).items():
        left = {name: value for name, value in server.keys[key].items() if name not in fields}
        assert {name: server.keys[key][name] for name in fields} == fields
        assert set(left) <= {b"0", b"1"}
        assert not left or len(fields) < size


def test_whole_buckets_go_by_restore_and_the_cut_ones_by_hset() -> None:
    wire = packed(4, restores=True).encoder().encode(lines_batch([b"v"] * 11, first=3))
    assert [(command[0], command[1]) for command in commands_in(wire)] == [
        (b"PERSIST", b"t:0:x"),
        (b"HSET", b"t:0:x"),
        (b"RESTORE", b"t:1:x"),
        (b"RESTORE", b"t:2:x"),
        (b"PERSIST", b"t:3:x"),
        (b"HSET", b"t:3:x"),
    ]
    assert list(wire.boundaries) == [0, 0, 1, 5, 9, 9, 11]
    assert expected_in(wire) == [0, 1, b"OK", b"OK", 0, 2]


def test_a_restored_bucket_is_the_listpack_that_hset_makes() -> None:
    lines = [b"%d" % 7**at if at % 3 else b"text %d" % at for at in range(128)]
    (command,) = commands_in(packed(128, restores=True).encoder().encode(lines_batch(lines)))
    pairs = [(b"%d" % at, line) for at, line in enumerate(lines)]
    assert command == [b"RESTORE", b"t:0:x", b"0", rdb_oracle.write_payload(pairs), b"REPLACE"]


@cases(
    ("lines", "name"),
    [
        ([b"v" * 4095, b"v"], b"RESTORE"),
        ([b"v" * 4096, b"v"], b"HSET"),
        ([b"v" * 1017] * 64, b"RESTORE"),
        ([b"v" * 1018] * 64, b"HSET"),
        ([b"9" * 1017] * 64, b"RESTORE"),
    ],
)
def test_a_bucket_that_suits_no_listpack_goes_by_hset(lines: list[bytes], name: bytes) -> None:
    mapping = packed(len(lines), restores=True)
    server = Server()
    load(mapping, lines_batch(lines), server)
    assert server.asked[-1] == name
    assert server.keys == by_the_rule(dict(enumerate(lines)), len(lines))


@pytest.mark.parametrize(
    ("expiry", "ttl"),
    [(MINUTE, 60_000), (Expiry("EXAT", template("1999999999")), 1_999_999_999_000)],
)
@pytest.mark.parametrize("restores", [True, False])
def test_every_bucket_expires(expiry: Expiry, ttl: int, restores: bool) -> None:
    mapping = packed(4, restores=restores, expiry=expiry)
    server = Server()
    batch = lines_batch([b"%d" % at for at in range(10)])
    wire = mapping.encoder().encode(batch)
    answers = [server.answer(command) for command in commands_in(wire)]
    assert b"".join(answers) == bytes(wire.expected or b"")
    assert server.expiries == {b"t:%d:x" % at: ttl for at in range(3)}
    absolute = [b"ABSTTL" in command for command in commands_in(wire) if command[0] == b"RESTORE"]
    assert absolute == [expiry.word == "EXAT"] * (2 if restores else 0)


def test_merge_leaves_expiries_and_other_fields_alone() -> None:
    server = Server()
    server.keys[b"t:0:x"] = {b"0": b"old", b"more": b"kept"}
    server.expiries[b"t:0:x"] = 5
    load(packed(2, if_exists="merge"), lines_batch([b"a", b"b"]), server)
    assert server.keys[b"t:0:x"] == {b"0": b"a", b"1": b"b", b"more": b"kept"}
    assert server.expiries == {b"t:0:x": 5}


def test_a_record_without_a_value_leaves_a_hole() -> None:
    mapping = replace(mapping_of(key="t:{#}:x", value="{v}"), pack=2, restores=LISTPACK)
    good, refusals = mapping.encoder().split_encodable(batch_of({"v": [b"a", None, b"c", b"d"]}))
    assert [(one.index, one.reason) for one in refusals] == [(1, "it has no field {v}")]
    server = Server()
    load(mapping, good, server)
    assert server.keys == {b"t:0:x": {b"0": b"a"}, b"t:1:x": {b"0": b"c", b"1": b"d"}}


# Replies


@cases("at", range(6))
def test_an_error_reply_refuses_the_records_of_its_bucket_and_no_others(at: int) -> None:
    encoder = packed(4, restores=True).encoder()
    batch = lines_batch([b"v"] * 11, first=3)
    wire = encoder.encode(batch)
    replies = expected_in(wire)
    replies[at] = error = Exception(BUSY)
    result = encoder.read_replies(batch, wire, replies)
    refused = {0: [0], 1: [0], 2: [1, 2, 3, 4], 3: [5, 6, 7, 8], 4: [9, 10], 5: [9, 10]}[at]
    assert [refusal.index for refusal in result.refusals] == refused
    assert {refusal.reason for refusal in result.refusals} == {error}
    assert result.written == 11 - len(refused)


def test_an_odd_reply_is_no_good_reply() -> None:
    encoder = packed(4).encoder()
    batch = lines_batch([b"v"] * 4)
    result = encoder.read_replies(batch, encoder.encode(batch), [0, b"secret data"])
    assert [refusal.reason for refusal in result.refusals] == ["RESTORE or HSET answered with bytes"] * 4


def test_a_list_in_the_place_of_a_cut_bucket_refuses_its_records() -> None:
    server = Server()
    server.keys[b"t:0:x"] = [b"a list"]
    mapping = packed(4, restores=True)
    batch = lines_batch([b"v"] * 3)
    first = send(mapping.encoder(), batch, server)
    assert first == BatchResult(again=(0, 1, 2))
    second = send(mapping.single(), batch, server)
    assert [str(refusal.reason)[:9] for refusal in second.refusals] == ["WRONGTYPE"] * 3
    assert server.keys[b"t:0:x"] == [b"a list"]


def test_merge_does_not_clear_what_is_there() -> None:
    server = Server()
    server.keys[b"t:0:x"] = b"a string"
    result = send(packed(4, if_exists="merge").encoder(), lines_batch([b"v"]), server)
    assert [refusal.index for refusal in result.refusals] == [0]
    assert server.keys[b"t:0:x"] == b"a string"


def test_two_halves_of_a_bucket_clear_a_string_once() -> None:
    server = Server()
    server.keys[b"t:0:x"] = b"a string"
    mapping = packed(4)
    halves = [lines_batch([b"a", b"b"]), lines_batch([b"c", b"d"], first=2)]
    assert [send(mapping.encoder(), half, server).again for half in halves] == [(0, 1), (0, 1)]
    assert [send(mapping.single(), half, server).written for half in halves] == [2, 2]
    assert server.keys == by_the_rule(dict(enumerate([b"a", b"b", b"c", b"d"])), 4)


# Verify


@examples(1.5)
@given(parts=batches(most=30), size=sizes, restores=st.booleans(), data=st.data())
def test_verify_finds_exactly_what_was_changed(
    parts: list[Records], size: int, restores: bool, data: st.DataObject
) -> None:
    mapping = packed(size, restores=restores)
    server = Server()
    for part in parts:
        load(mapping, batch_without(part), server)
    part = data.draw(st.sampled_from(parts))
    number = data.draw(st.sampled_from(sorted(part)))
    key, field = b"t:%d:x" % (number // size), b"%d" % (number % size)
    lost = data.draw(st.booleans())
    if lost:
        del server.keys[key][field]
    else:
        server.keys[key][field] = b"!" + part[number]
    result = check(mapping, batch_without(part), server)
    assert result.equal == len(part) - 1
    assert (result.missing, result.different) == ((1, 0) if lost else (0, 1))
    (difference,) = result.differences
    assert (difference.index, difference.key) == (list(part).index(number), key)
    assert difference.expected.startswith(field + b"=" + part[number][:100])
    assert (difference.found or b"").startswith(b"" if lost else field + b"=!" + part[number][:100])


def test_verify_finds_a_hash_in_any_order_equal() -> None:
    server = Server()
    server.keys[b"t:0:x"] = {b"%d" % at: b"%d" % at for at in reversed(range(4))}
    server.keys[b"t:0:x"][b"more"] = b"nobody asks"
    assert check(packed(4), lines_batch([b"0", b"1", b"2", b"3"]), server) == BatchResult(equal=4)


def test_verify_of_a_lost_bucket_and_of_one_of_another_type() -> None:
    server = Server()
    server.keys[b"t:1:x"] = b"a string"
    result = check(packed(4), lines_batch([b"v"] * 10), server)
    assert (result.equal, result.missing, result.different) == (0, 6, 4)


def test_verify_asks_for_whole_buckets_at_once() -> None:
    wire = checker(packed(4)).encode(lines_batch([b"v"] * 9, first=2))
    assert commands_in(wire) == [
        [b"HMGET", b"t:0:x", b"2", b"3"],
        [b"HGETALL", b"t:1:x"],
        [b"HMGET", b"t:2:x", b"0", b"1", b"2"],
    ]


@pytest.mark.parametrize("replies", [[Exception(BUSY)] * 2, [0, b"v"], [[b"v", b"v"], 4]])
def test_verify_refuses_what_it_cannot_compare(replies: list[Any]) -> None:
    encoder = checker(packed(4))
    batch = lines_batch([b"v"] * 5, first=3)
    result = encoder.read_replies(batch, encoder.encode(batch), replies)
    assert [refusal.index for refusal in result.refusals] == [0, 1, 2, 3, 4]


# What contradicts itself


@cases(
    ("change", "said"),
    [
        ({"key": template("t")}, "--pack goes by the record's number"),
        ({"key": template("t:{id}")}, "--pack goes by the record's number"),
        ({"key": template("t:{#}:{id}")}, "--pack goes by the record's number"),
        ({"key": template("{#}{#}")}, "--pack goes by the record's number"),
        ({"if_exists": "skip"}, "--if-exists skip has no meaning with --pack"),
        ({"if_exists": "fail"}, "--if-exists fail has no meaning with --pack"),
        ({"expiry": Expiry("EX", template("{ttl}"))}, "the expiry cannot name a field"),
    ],
)
def test_what_cannot_be_packed_is_said_to_load_and_to_verify(change: dict[str, Any], said: str) -> None:
    mapping = replace(packed(4), **change)
    with pytest.raises(UsageError, match=said):
        mapping.encoder()
    with pytest.raises(UsageError, match=said):
        checker(mapping)


def test_packed_strings_may_be_restored_unless_they_are_merged() -> None:
    assert packed(4).hash_encodings == (LISTPACK,)
    assert not packed(4, if_exists="merge").hash_encodings
    assert packed(4).prepass() is None


def test_the_encoder_travels() -> None:
    encoder = packed(4, restores=True).encoder()
    assert isinstance(encoder, PackEncoder)
    assert pickle.loads(pickle.dumps(encoder)) == encoder  # noqa: S301 - our own
