"""The check of every type: load into a model server, compare, change one thing, compare again."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import checker
from etl.encode.mapping import Expiry, RecordMapping
from etl.errors import UsageError
from etl.plan import Batch, BatchResult
from tests.cases import cases
from tests.examples import examples
from tests.unit.encode.given import batch_of, commands_in, expected_in, load, mapping_of, send, template
from tests.unit.encode.model import Document, Model, Scores

Change = Callable[[Model, int], None]


def ids(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def records(count: int = 700, first: int = 0) -> Batch:
    """Records that differ from each other in every field; more than one group of them."""
    own = ids(count)
    values = [b"v" * (number % 5) + b"-%d" % number for number in range(count)]
    return batch_of(
        {
            "id": own,
            "v": values,
            "score": [b"%d" % (number * 3) for number in range(count)],
            "some": [None if number % 3 else b"s%d" % number for number in range(count)],
            "tags[]": [[b"t%d" % number, b"u%d" % number] for number in range(count)],
        },
        first=first,
        json=[b'{"id":"%d","v":"%b"}' % pair for pair in zip(range(count), values, strict=True)],
    )


def check(mapping: RecordMapping, batch: Batch, model: Model) -> BatchResult:
    encoder = checker(mapping)
    good, refusals = encoder.split_encodable(batch)
    assert refusals == []
    result = send(encoder, good, model)
    assert result.equal + result.missing + result.different + len(result.refusals) == len(good)
    assert len(result.differences) == result.missing + result.different
    assert sum(one.found is None for one in result.differences) == result.missing
    return result


def key_of(number: int) -> bytes:
    return b"k:%d" % number


def drop_key(model: Model, number: int) -> None:
    del model.keys[key_of(number)]


def put(value: Any) -> Change:
    def change(model: Model, number: int) -> None:
        model.keys[key_of(number)] = value

    return change


def other_field(name: bytes, value: bytes | None) -> Change:
    def change(model: Model, number: int) -> None:
        fields = model.keys[key_of(number)]
        if value is None:
            del fields[name]
        else:
            fields[name] = value

    return change


def other_member(make: Callable[[Model, int], Any]) -> Change:
    def change(model: Model, number: int) -> None:
        make(model, number)

    return change


def drop_member(model: Model, number: int) -> None:
    model.keys[b"all"].discard(b"%d" % number)


def drop_score(model: Model, number: int) -> None:
    del model.keys[b"all"][b"%d" % number]


def other_score(model: Model, number: int) -> None:
    model.keys[b"all"][b"%d" % number] += 0.5


STRING = mapping_of("string")
HASH = mapping_of("hash")
MERGED = mapping_of("hash", if_exists="merge")
JSON = mapping_of("json", value="{json}")
SET = mapping_of("set", value="{v}")
SET_OF_ALL = mapping_of("set", key="all", value="{id}")
ZSET = mapping_of("zset", value="{v}")
ZSET_OF_ALL = mapping_of("zset", key="all", value="{id}")
LIST = mapping_of("list", value="{v}")
LIST_OF_ALL = mapping_of("list", key="all", value="{id}")
FIELDS = mapping_of("string", "HSET all {id} {v}", if_exists="merge")
SHAPES = {
    "string": STRING,
    "string with an expiry": mapping_of("string", expiry=Expiry("PX", template("60000"))),
    "string that skips": mapping_of("string", if_exists="skip"),
    "hash": HASH,
    "hash that merges": MERGED,
    "hash with an expiry": mapping_of("hash", expiry=Expiry("EX", template("60"))),
    "json": JSON,
    "json that merges": mapping_of("json", value="{json}", if_exists="merge"),
    "set": SET,
    "set of all": SET_OF_ALL,
    "zset": ZSET,
    "zset of all": ZSET_OF_ALL,
    "list": LIST,
    "list of all": LIST_OF_ALL,
    "fields of one hash": FIELDS,
}

CHANGES: list[tuple[str, RecordMapping, Change, str, bytes, bytes | None]] = [
    # what is done, of what, how, what it is then; the source's, what is found
    ("no key", STRING, drop_key, "missing", b"vv-7", None),
    ("another value", STRING, put(b"x"), "different", b"vv-7", b"x"),
    ("an empty value", STRING, put(b""), "different", b"vv-7", b""),
    ("no key", HASH, drop_key, "missing", b"id=7", None),
    ("another value", HASH, other_field(b"v", b"x"), "different", b"v=vv-7", b"v=x"),
    ("no field", HASH, other_field(b"v", None), "different", b"v=vv-7", b"no v"),
    ("one more field", HASH, other_field(b"more", b"x"), "different", b"3 fields", b"4 fields"),
    ("another type", HASH, put(b"x"), "different", b"id=7", b"a value of another type"),
    ("other fields only", HASH, put({b"x": b"y"}), "different", b"id=7", b"no id"),
    ("no key", MERGED, drop_key, "missing", b"id=7", None),
    ("other fields only", MERGED, put({b"x": b"y"}), "missing", b"id=7", None),
    ("no field", MERGED, other_field(b"v", None), "different", b"v=vv-7", b"no v"),
    ("no key", JSON, drop_key, "missing", b'{"id":"7","v":"vv-7"}', None),
    ("another document", JSON, put(Document([1])), "different", b'{"id":"7","v":"vv-7"}', b"[1]"),
    ("another type", JSON, put(b"x"), "different", b'{"id":"7","v":"vv-7"}', b"a value of another type"),
    ("no key", SET, drop_key, "missing", b"vv-7", None),
    ("other members", SET, put({b"x"}), "missing", b"vv-7", None),
    ("another type", SET, put(b"x"), "different", b"vv-7", b"a value of another type"),
    ("no member", SET_OF_ALL, drop_member, "missing", b"7", None),
    ("no key", ZSET, drop_key, "missing", b"vv-7=21", None),
    ("another score", ZSET, put(Scores({b"vv-7": 20.5})), "different", b"vv-7=21", b"vv-7=20.5"),
    ("another type", ZSET, put(b"x"), "different", b"vv-7=21", b"a value of another type"),
    ("no member", ZSET_OF_ALL, drop_score, "missing", b"7=21", None),
    ("another score", ZSET_OF_ALL, other_score, "different", b"7=21", b"7=21.5"),
    ("no key", LIST, drop_key, "missing", b"vv-7", None),
    ("another type", LIST, put(b"x"), "different", b"vv-7", b"a value of another type"),
]


@cases("name", SHAPES)
def test_what_was_loaded_is_equal_and_what_was_not_is_missing(name: str) -> None:
    batch, model = records(), Model()
    load(SHAPES[name], batch, model)
    assert check(SHAPES[name], batch, model).equal == 700
    assert check(SHAPES[name], batch, Model()).missing == 700


@cases(("what", "mapping", "change", "outcome", "expected", "found"), CHANGES)
def test_one_change_is_found_in_that_record_and_in_no_other(
    what: str, mapping: RecordMapping, change: Change, outcome: str, expected: bytes, found: bytes | None
) -> None:
    batch, model = records(), Model()
    load(mapping, batch, model)
    change(model, 7)
    result = check(mapping, batch, model)
    assert (result.equal, getattr(result, outcome)) == (699, 1)
    (difference,) = result.differences
    key = key_of(7) if b"all" not in model.keys else b"all"
    assert (difference.index, difference.key) == (7, key)
    assert (difference.expected, difference.found) == (expected, found)


@cases("name", SHAPES)
def test_asking_writes_nothing_and_asks_what_the_type_says(name: str) -> None:
    batch, model = records(10), Model()
    check(SHAPES[name], batch, model)
    assert model.keys == {}
    assert set(model.asked) <= {
        *(b"MGET", b"HMGET", b"HLEN", b"JSON.GET", b"SISMEMBER", b"SMISMEMBER"),
        *(b"ZSCORE", b"ZMSCORE", b"LLEN"),
    }


@cases("name", SHAPES)
def test_a_checker_pickles_and_needs_the_fields_that_the_load_needs(name: str) -> None:
    encoder = checker(SHAPES[name])
    assert pickle.loads(pickle.dumps(encoder)) == encoder  # noqa: S301
    assert encoder.templates == SHAPES[name].encoder().templates


@cases("name", SHAPES)
def test_records_that_the_load_refuses_are_refused_with_the_same_words(name: str) -> None:
    batch = batch_of(
        {"id": [b"0", None, b"2"], "v": [b"a", b"b", None], "score": [b"1", b"2", b"3"], "some": [b"s"] * 3},
        json=[b"{}", b"{}", None],
    )
    mapping = SHAPES[name]
    good, refusals = checker(mapping).split_encodable(batch)
    assert refusals == mapping.encoder().split_encodable(batch)[1]
    assert 1 in [refusal.index for refusal in refusals]
    assert len(good) + len(refusals) == 3


@cases("name", SHAPES)
def test_an_error_reply_refuses_its_records_and_no_others(name: str) -> None:
    batch = records(3)
    encoder = checker(SHAPES[name])
    wire = encoder.encode(batch)
    error = Exception("NOPERM no")
    result = encoder.read_replies(batch, wire, [error] * wire.commands)
    assert [(refusal.index, refusal.reason) for refusal in result.refusals] == [
        (0, error),
        (1, error),
        (2, error),
    ]
    assert result.equal == result.missing == result.different == 0


@cases("name", SHAPES)
def test_a_reply_of_the_wrong_kind_is_an_error_and_not_a_difference(name: str) -> None:
    batch = records(3)
    encoder = checker(SHAPES[name])
    wire = encoder.encode(batch)
    for odd in ({b"a": b"b"}, 1.5):
        result = encoder.read_replies(batch, wire, [odd] * wire.commands)
        assert [refusal.index for refusal in result.refusals] == [0, 1, 2]
        assert all("answered with" in str(refusal.reason) for refusal in result.refusals)


def test_an_error_for_one_group_leaves_the_other_group_as_it_is() -> None:
    batch, model = records(600), Model()
    load(STRING, batch, model)
    encoder = checker(STRING)
    wire = encoder.encode(batch)
    first, _ = expected_in(wire)
    result = encoder.read_replies(batch, wire, [first, Exception("NOPERM no")])
    assert result.equal == 512
    assert [refusal.index for refusal in result.refusals] == list(range(512, 600))


@pytest.mark.parametrize(
    ("mapping", "name", "sizes"),
    [
        (STRING, b"MGET", [512, 188]),
        (SET_OF_ALL, b"SMISMEMBER", [512, 188]),
        (ZSET_OF_ALL, b"ZMSCORE", [512, 188]),
        (FIELDS, b"HMGET", [512, 188]),
    ],
)
def test_items_of_one_key_are_asked_for_in_groups(
    mapping: RecordMapping, name: bytes, sizes: list[int]
) -> None:
    wire = checker(mapping).encode(records())
    assert [command[0] for command in commands_in(wire)] == [name, name]
    assert [len(reply) for reply in expected_in(wire)] == sizes


def test_no_group_has_a_reply_of_much_more_than_a_mebibyte() -> None:
    big = b"x" * (1 << 19)
    batch = batch_of({"id": ids(6), "v": [big, b"a", big, b"b", big * 4, b"c"]})
    replies = expected_in(checker(STRING).encode(batch))
    assert replies == [[big, b"a"], [big, b"b"], [big * 4], [b"c"]]


def test_the_reply_of_a_hash_is_predicted_field_by_field() -> None:
    batch = batch_of({"id": [b"1", b"2"], "v": [b"", None], "ä": [b"x\r\ny", b"z"]})
    wire = checker(HASH).encode(batch)
    assert commands_in(wire) == [
        [b"HMGET", b"k:1", b"id", b"v", "ä".encode()],
        [b"HLEN", b"k:1"],
        [b"HMGET", b"k:2", b"id", "ä".encode()],
        [b"HLEN", b"k:2"],
    ]
    assert expected_in(wire) == [[b"1", b"", b"x\r\ny"], 3, [b"2", b"z"], 2]


@cases("fields", [1, 511, 512, 1022, 1023])
def test_a_hash_of_any_number_of_fields_is_compared(fields: int) -> None:
    names = [f"f{number}" for number in range(fields)]
    batch = batch_of({"id": [b"1", b"2"], **{name: [b"v", None] for name in names[1:]}})
    model = Model()
    load(HASH, batch, model)
    assert len(model.keys[b"k:1"]) == fields
    assert check(HASH, batch, model).equal == 2
    model.keys[b"k:1"][b"id" if fields == 1 else b"f%d" % (fields - 1)] = b"w"
    assert [one.index for one in check(HASH, batch, model).differences] == [0]


def test_scores_are_numbers_however_they_are_written() -> None:
    texts = [b"1", b"1.0", b"1.50", b"1e3", b"-0", b"0.1", b"inf", b"+5", b"1e300", b"3.14159"]
    batch = batch_of({"id": ids(len(texts)), "v": ids(len(texts)), "score": texts})
    for exact_scores in (False, True):
        model = Model(exact_scores=exact_scores)
        load(ZSET_OF_ALL, batch, model)
        assert check(ZSET_OF_ALL, batch, model).equal == len(texts)


def test_a_score_that_is_no_number_is_not_there() -> None:
    batch = batch_of({"id": [b"0"], "v": [b"m"], "score": [b"many"]})
    model = Model()
    assert check(ZSET, batch, model).missing == 1
    model.keys[b"k:0"] = Scores({b"m": 1.0})
    result = check(ZSET, batch, model)
    assert [(one.expected, one.found) for one in result.differences] == [(b"m=many", b"m=1")]


def test_two_records_with_one_key_are_told_apart() -> None:
    batch, model = batch_of({"id": [b"0", b"0"], "v": [b"a", b"b"]}), Model()
    load(STRING, batch, model)
    result = check(STRING, batch, model)
    assert [(one.index, one.expected, one.found) for one in result.differences] == [(0, b"a", b"b")]


def test_a_stream_cannot_be_compared_and_the_refusal_says_why() -> None:
    with pytest.raises(UsageError, match=r"cannot compare a stream: .* by its id only"):
        checker(mapping_of("stream"))


def test_a_batch_without_records_asks_nothing() -> None:
    for mapping in SHAPES.values():
        wire = checker(mapping).encode(records(0))
        assert (commands_in(wire), wire.records) == ([], 0)


# Any records

VALUE = st.binary(max_size=12)
NAMES = st.lists(
    st.text(min_size=1, max_size=5).filter(lambda name: not name.endswith("[]")), max_size=6, unique=True
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    count = draw(st.integers(1, 12))
    names = [name for name in draw(NAMES) if name not in ("id", "v", "score")]
    some = st.lists(st.none() | VALUE, min_size=count, max_size=count)
    fields = {name: draw(some) for name in names}
    values = draw(st.lists(VALUE, min_size=count, max_size=count))
    scores = draw(st.lists(st.floats(allow_nan=False), min_size=count, max_size=count))
    documents = [json.dumps({"v": value.hex(), "n": [1, 2.5]}).encode() for value in values]
    return batch_of(
        {"id": ids(count), "v": values, "score": [repr(score).encode() for score in scores], **fields},
        json=documents,
        first=draw(st.integers(0, 10**12)),
    )


@examples(0.3)
@given(batch=batches(), data=st.data())
@cases("name", SHAPES)
def test_any_records_are_equal_after_the_load_and_one_that_goes_is_missed(
    name: str, batch: Batch, data: st.DataObject
) -> None:
    mapping, model = SHAPES[name], Model(exact_scores=data.draw(st.booleans()))
    load(mapping, batch, model)
    assert check(mapping, batch, model).equal == len(batch)
    if b"all" in model.keys:
        return
    gone = data.draw(st.integers(0, len(batch) - 1))
    drop_key(model, gone)
    result = check(mapping, batch, model)
    assert (result.equal, result.missing) == (len(batch) - 1, 1)
    assert [one.index for one in result.differences] == [gone]
