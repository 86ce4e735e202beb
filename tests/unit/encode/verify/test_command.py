"""The check of command templates: what is asked for each, what cannot be, and arrays of members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import checker
from etl.errors import UsageError
from etl.plan import Batch, BatchResult
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, commands_shape, expected_in, load, send
from tests.unit.encode.model import Model, Scores

BATCH = batch_of(
    {
        "id": [b"1", b"2"],
        "v": [b"a", b""],
        "n": [b"5", b"6.50"],
        "lon": [b"7.4474", b"-73.98"],
        "lat": [b"46.948", b"40.75"],
        "tags[]": [[b"x", b"y"], [b"z"]],
        "pairs[]": [[b"1", b"f"], [b"2", b"g", b"3", b"h"]],
    }
)

ASKED: list[tuple[str, list[list[bytes]], list[object] | None]] = [
    ("SET k:{id} {v}", [[b"MGET", b"k:1", b"k:2"]], [[b"a", b""]]),
    ("set k:{id} {v} EX {n} NX", [[b"MGET", b"k:1", b"k:2"]], [[b"a", b""]]),
    ("SETEX k:{id} {n} {v}", [[b"MGET", b"k:1", b"k:2"]], [[b"a", b""]]),
    ("PSETEX k:{id} 9 {v}", [[b"MGET", b"k:1", b"k:2"]], [[b"a", b""]]),
    ("SETNX k:{id} {v}", [[b"MGET", b"k:1", b"k:2"]], [[b"a", b""]]),
    (
        "MSET k:{id} {v} n:{id} {n}",
        [[b"MGET", b"k:1", b"n:1", b"k:2", b"n:2"]],
        [[b"a", b"5", b"", b"6.50"]],
    ),
    (
        "HSET h:{id} v {v} {n} n",
        [[b"HMGET", b"h:1", b"v", b"5"], [b"HMGET", b"h:2", b"v", b"6.50"]],
        [[b"a", b"n"], [b"", b"n"]],
    ),
    ("HSETNX h:{id} v {v}", [[b"HMGET", b"h:1", b"v"], [b"HMGET", b"h:2", b"v"]], [[b"a"], [b""]]),
    (
        "HMSET h:{id} x 1 {*}",
        [
            [b"HMGET", b"h:1", b"x", b"id", b"v", b"n", b"lon", b"lat"],
            [b"HMGET", b"h:2", b"x", b"id", b"v", b"n", b"lon", b"lat"],
        ],
        [[b"1", b"1", b"a", b"5", b"7.4474", b"46.948"], [b"1", b"2", b"", b"6.50", b"-73.98", b"40.75"]],
    ),
    (
        "HSET h:{id} {pairs[]}",
        [[b"HGET", b"h:1", b"1"], [b"HGET", b"h:2", b"2"], [b"HGET", b"h:2", b"3"]],
        [b"f", b"g", b"h"],
    ),
    ("HSET h {id} {v} x{id} y", [[b"HMGET", b"h", b"1", b"x1", b"2", b"x2"]], [[b"a", b"y", b"", b"y"]]),
    ("HSET h {pairs[]}", [[b"HMGET", b"h", b"1", b"2", b"3"]], [[b"f", b"g", b"h"]]),
    ("SADD s:{id} {v}", [[b"SISMEMBER", b"s:1", b"a"], [b"SISMEMBER", b"s:2", b""]], [1, 1]),
    (
        "SADD s:{id} {v} t:{tags[]}",
        [
            [b"SISMEMBER", b"s:1", b"a"],
            [b"SISMEMBER", b"s:1", b"t:x"],
            [b"SISMEMBER", b"s:1", b"t:y"],
            [b"SISMEMBER", b"s:2", b""],
            [b"SISMEMBER", b"s:2", b"t:z"],
        ],
        [1, 1, 1, 1, 1],
    ),
    ("SADD s {tags[]}", [[b"SMISMEMBER", b"s", b"x", b"y", b"z"]], [[1, 1, 1]]),
    ("SADD s fixed", [[b"SMISMEMBER", b"s", b"fixed", b"fixed"]], [[1, 1]]),
    ("ZADD z:{id} {n} {v}", [[b"ZSCORE", b"z:1", b"a"], [b"ZSCORE", b"z:2", b""]], [b"5", b"6.50"]),
    ("ZADD z GT CH {n} {id}", [[b"ZMSCORE", b"z", b"1", b"2"]], [[b"5", b"6.50"]]),
    (
        "ZADD z:{id} nx {pairs[]}",
        [[b"ZSCORE", b"z:1", b"f"], [b"ZSCORE", b"z:2", b"g"], [b"ZSCORE", b"z:2", b"h"]],
        [b"1", b"2", b"3"],
    ),
    ("GEOADD g {lon} {lat} {id}", [[b"ZMSCORE", b"g", b"1", b"2"]], None),
    ("GEOADD g:{id} CH {lon} {lat} a", [[b"ZSCORE", b"g:1", b"a"], [b"ZSCORE", b"g:2", b"a"]], None),
    ("RPUSH l:{id} {v}", [[b"LLEN", b"l:1"], [b"LLEN", b"l:2"]], None),
    ("LPUSH l {tags[]}", [[b"LLEN", b"l"]], None),
    ("JSON.SET j:{id} $ {n}", [[b"JSON.GET", b"j:1", b"."], [b"JSON.GET", b"j:2", b"."]], [b"5", b"6.50"]),
    ("JSON.SET j:{id} . {n} NX", [[b"JSON.GET", b"j:1", b"."], [b"JSON.GET", b"j:2", b"."]], [b"5", b"6.50"]),
]


@cases(("text", "commands", "expected"), ASKED)
def test_a_command_is_asked_for_and_its_answer_is_predicted(
    text: str, commands: list[list[bytes]], expected: list[object] | None
) -> None:
    wire = checker(commands_shape(text)).encode(BATCH)
    assert commands_in(wire) == commands
    if expected is None:
        assert wire.expected is None
    else:
        assert expected_in(wire) == expected


@cases("text", [text for text, _, _ in ASKED])
def test_what_a_command_has_written_is_equal_and_else_missing(text: str) -> None:
    model = Model()
    load(commands_shape(text), BATCH, model)
    assert checked(text, BATCH, model).equal == 2
    assert checked(text, BATCH, Model()).missing == 2


def checked(text: str, batch: Batch, model: Model) -> BatchResult:
    encoder = checker(commands_shape(*text.split("; ")))
    good, _ = encoder.split_encodable(batch)
    return send(encoder, good, model)


@cases(
    ("text", "name"),
    [
        ("PFADD p {id}", "PFADD"),
        ("INCRBY n {n}", "INCRBY"),
        ("XADD s * {*}", "XADD"),
        ("HINCRBY h f {n}", "HINCRBY"),
        ("TS.ADD t:{id} * {n}", "TS.ADD"),
        ("NOSUCH {id}", "NOSUCH"),
    ],
)
def test_what_cannot_be_compared_is_named_with_what_can(text: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        checker(commands_shape("SET k:{id} {v}", text))
    assert f"verify cannot compare what {name} has written. It compares" in str(caught.value)
    assert "GEOADD, HMSET, HSET" in str(caught.value)


@cases(
    "text",
    [
        "SET {id}",
        "SET {*}",
        "SETEX k {n}",
        "MSET k",
        "HSET h {id}",
        "HSET h",
        "HSET {*} a",
        "SADD s",
        "SADD {tags[]} a",
        "ZADD z INCR 1 {id}",
        "ZADD z {n}",
        "ZADD z GT",
        "GEOADD g {lon} {lat}",
        "JSON.SET j $",
        "JSON.SET j {v} {n}",
        "JSON.SET j $ {*}",
        "RPUSH l",
    ],
)
def test_a_command_whose_effect_is_not_plain_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"verify cannot compare what '.*' has written"):
        checker(commands_shape(text))


def test_commands_that_write_no_values_are_passed_over() -> None:
    mapping = commands_shape("DEL h:{id}", "HSET h:{id} v {v}", "EXPIRE h:{id} {n}", "PEXPIREAT h:{id} 9")
    assert commands_in(checker(mapping).encode(BATCH)) == [[b"HMGET", b"h:1", b"v"], [b"HMGET", b"h:2", b"v"]]
    with pytest.raises(UsageError, match="nothing to compare: DEL, EXPIRE"):
        checker(commands_shape("DEL h:{id}", "EXPIRE h:{id} 9"))


def test_several_commands_are_compared_and_a_record_counts_once() -> None:
    text = "HSET u:{id} v {v}; SADD s {id}; ZADD z {n} {id}; GEOADD g {lon} {lat} {id}"
    model = Model()
    load(commands_shape(*text.split("; ")), BATCH, model)
    assert checked(text, BATCH, model).equal == 2
    model.keys[b"s"].remove(b"2")
    result = checked(text, BATCH, model)
    assert (result.equal, result.missing, result.different) == (1, 1, 0)
    assert [(one.index, one.key, one.expected) for one in result.differences] == [(1, b"s", b"2")]
    model.keys[b"z"][b"2"] = 1.0
    result = checked(text, BATCH, model)
    assert (result.equal, result.missing, result.different) == (1, 0, 1)
    assert [(one.index, one.key, one.found) for one in result.differences] == [(1, b"z", b"2=1")]


def test_an_error_outranks_a_difference() -> None:
    encoder = checker(commands_shape("SADD s:{id} {v}", "SADD t:{id} {v}"))
    wire = encoder.encode(BATCH)
    error = Exception("NOPERM no")
    result = encoder.read_replies(BATCH, wire, [0, 1, error, 1])
    assert [(refusal.index, refusal.reason) for refusal in result.refusals] == [(0, error)]
    assert (result.equal, result.missing, result.differences) == (1, 0, ())


def test_one_member_of_an_array_that_is_not_there_is_found() -> None:
    model = Model()
    load(commands_shape("SADD s:{id} {tags[]}"), BATCH, model)
    model.keys[b"s:1"].remove(b"y")
    result = checked("SADD s:{id} {tags[]}", BATCH, model)
    assert (result.equal, result.missing) == (1, 1)
    assert [(one.index, one.key, one.expected) for one in result.differences] == [(0, b"s:1", b"y")]


def test_members_that_do_not_come_out_even_are_refused_where_they_stand() -> None:
    batch = batch_of(
        {
            "id": [None, b"1", b"2", b"3", b"4"],
            "p[]": [[b"1", b"a"], [b"1"], [], [b"1", b"a", b"2"], [b"1", None, b"a"]],
        },
        first=None,
    )
    good, refusals = checker(commands_shape("ZADD z:{id} {p[]}")).split_encodable(batch)
    assert good.fields.column("id").to_pylist() == [b"4"]
    assert [(refusal.index, refusal.reason) for refusal in refusals] == [
        (0, "it has no field {id}"),
        (1, "its members do not come out even"),
        (2, "{p[]} has no members"),
        (3, "its members do not come out even"),
    ]


@cases(
    ("flag", "score", "equal"),
    [("GT", 5.5, 2), ("GT", 4.5, 0), ("LT", 4.5, 2), ("LT", 7.0, 0), ("CH", 5.5, 0), ("NX", 5.5, 0)],
)
def test_conditions_on_scores_are_kept_and_others_change_nothing(flag: str, score: float, equal: int) -> None:
    batch = batch_of({"id": [b"1", b"2"], "n": [b"5", b"5.0"]})
    model = Model()
    model.keys[b"z"] = Scores({b"1": score, b"2": score})
    assert checked(f"ZADD z {flag} {{n}} {{id}}", batch, model).equal == equal


def test_a_place_that_moved_is_different_and_shown() -> None:
    model = Model()
    load(commands_shape("GEOADD g {lon} {lat} {id}"), BATCH, model)
    model.keys[b"g"][b"1"] = model.keys[b"g"][b"2"]
    result = checked("GEOADD g {lon} {lat} {id}", BATCH, model)
    assert (result.equal, result.different) == (1, 1)
    (difference,) = result.differences
    assert difference.expected == b"1=7.4474,46.948"
    assert difference.found is not None
    longitude, latitude = map(float, difference.found.removeprefix(b"1=").split(b","))
    assert longitude == pytest.approx(-73.98, abs=1e-5)
    assert latitude == pytest.approx(40.75, abs=1e-5)


@given(
    st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from(
        ["SADD s:{id} {tags[]}", "SADD s {tags[]} {id}", "RPUSH l:{id} {tags[]}", "LPUSH l a{tags[]}"]
    ),
    st.data(),
)
def test_any_arrays_are_equal_after_the_load_and_a_member_that_goes_is_missed(
    tags: list[list[bytes]], text: str, data: st.DataObject
) -> None:
    batch = batch_of({"id": [b"%d" % number for number in range(len(tags))], "tags[]": tags})
    model = Model()
    load(commands_shape(text), batch, model)
    assert checked(text, batch, model).equal == len(tags)
    key = data.draw(st.sampled_from(sorted(model.keys)))
    gone = data.draw(st.sampled_from(sorted(model.keys[key])))
    model.keys[key] = [member for member in model.keys[key] if member != gone]
    if text.startswith("SADD"):
        model.keys[key] = set(model.keys[key])
    result = checked(text, batch, model)
    if "PUSH" in text:  # all batches together tell whether an element is missing
        assert result.missing == (0 if model.keys[key] else len(tags) if key == b"l" else 1)
        return
    prefix = b"a" if "a{" in text else b""
    losers = [
        index
        for index, members in enumerate(tags)
        if (b":" not in key or key.endswith(b":%d" % index))
        and (gone in [prefix + member for member in members] or ("} {id}" in text and gone == b"%d" % index))
    ]
    assert [one.index for one in result.differences] == losers
    assert (result.equal, result.missing) == (len(tags) - len(losers), len(losers))
