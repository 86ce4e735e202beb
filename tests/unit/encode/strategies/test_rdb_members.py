"""Lists, sets, sorted sets and streams as entries of RDB files, read back by a slow reader."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import rdb_encoder
from etl.encode.mapping import RecordMapping
from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.file import VERSIONS
from etl.encode.rdb.scores import parse_scores
from etl.plan import Batch
from etl.template import parse_template
from tests.cases import cases
from tests.unit.encode.given import batch_of, mapping_of
from tests.unit.encode.rdb_file_oracle import Found
from tests.unit.encode.strategies.test_rdb_entries import NOW, Record, entries_of, keyed, records

TAGS, SCORES = "{tags[]}", "{scores[]}"

members = st.one_of(
    st.sampled_from([b"", b"a", b"7", b"-3", b"007", b"\0", b"m" * 64, b"m" * 241, b"m" * 4096]),
    st.sampled_from([-(2**63), -(2**31) - 1, -32769, 0, 127, 32767, 32768, 2**31, 2**63 - 1]).map(
        b"%d".__mod__
    ),
    st.binary(max_size=4),
)
lists = st.lists(members, min_size=1, max_size=6)


def mapping(kind: str, value: str = TAGS, score: str = SCORES, **more: Any) -> RecordMapping:
    made = mapping_of(kind, value="{v}", score="{v}", **more)
    return replace(
        made,
        value=parse_template(value, option="--value", argument=True),
        score=parse_template(score, option="--score", argument=True),
    )


def encoder(kind: str, version: int = 10, **more: Any) -> RdbEncoder:
    return rdb_encoder(mapping(kind, **more), version=version, base_ms=NOW)


def tagged(tags: list[Any], scores: list[Any] | None = None) -> Batch:
    ids = [b"%d" % at for at in range(len(tags))]
    more = {} if scores is None else {"scores[]": scores}
    return batch_of({"id": ids, "tags[]": tags, **more})


def held(found: dict[bytes, Found]) -> list[Any]:
    return [found[b"k:%d" % at].value for at in range(len(found))]


@given(tags=st.lists(lists, min_size=1, max_size=6))
@cases("version", VERSIONS)
def test_a_list_is_its_elements_in_their_order(version: int, tags: list[list[bytes]]) -> None:
    found = entries_of(encoder("list", version), tagged(tags))
    assert held(found) == tags
    for at, elements in enumerate(tags):
        longest = 240 if version == 9 else 4095
        small = max(map(len, elements)) <= longest and sum(map(len, elements)) < 8000
        compact = "list ziplist" if version == 9 else "list listpack"
        assert found[b"k:%d" % at].layout == (compact if small else "list")


@given(tags=st.lists(lists, min_size=1, max_size=6))
@cases("version", VERSIONS)
def test_a_set_has_each_member_once(version: int, tags: list[list[bytes]]) -> None:
    found = entries_of(encoder("set", version), tagged(tags))
    assert held(found) == list(map(set, tags))
    for at, elements in enumerate(tags):
        assert found[b"k:%d" % at].layout == set_layout(elements, version)


def set_layout(elements: list[bytes], version: int) -> str:
    if all(text.lstrip(b"-").isdigit() and b"%d" % int(text) == text for text in elements):
        return "intset"
    return "set listpack" if version >= 11 and max(map(len, elements)) <= 4095 else "set"


@given(data=st.data(), tags=st.lists(lists, min_size=1, max_size=6))
@cases("version", VERSIONS)
def test_of_a_member_of_a_sorted_set_the_last_score_holds(
    version: int, data: st.DataObject, tags: list[list[bytes]]
) -> None:
    numbers = st.one_of(st.integers(-3, 3), st.floats(allow_nan=False)).map(lambda x: str(x).encode())
    scores = [
        data.draw(st.lists(numbers, min_size=len(elements), max_size=len(elements))) for elements in tags
    ]
    found = entries_of(encoder("zset", version), tagged(tags, scores))
    assert held(found) == [
        dict(zip(elements, map(float, of), strict=True)) for elements, of in zip(tags, scores, strict=True)
    ]
    compact = "zset ziplist" if version == 9 else "zset listpack"
    for at, elements in enumerate(tags):
        small = max(map(len, elements)) <= (240 if version == 9 else 4095)
        assert found[b"k:%d" % at].layout == (compact if small else "zset")


@given(records=records)
def test_a_stream_is_an_entry_of_all_fields(records: list[Record]) -> None:
    found = entries_of(encoder("stream"), keyed(records))
    for at, record in enumerate(records):
        ((id, words),) = found[b"k:%d" % at].value
        assert id == (NOW, 0)
        assert dict(zip(words[::2], words[1::2], strict=True)) == {
            name.encode(): value for name, value in record.items()
        }


def test_large_ones_are_written_as_the_server_would_keep_them() -> None:
    many = [b"%d" % at for at in range(600)]
    texts = [b"x%d" % at for at in range(129)]
    scores = [many[: len(texts)], [b"0.5"] * len(many)]
    for kind, version, layouts in (
        ("list", 10, ["list listpack", "list listpack"]),
        ("list", 9, ["list ziplist", "list ziplist"]),
        ("set", 11, ["set", "set"]),
        ("zset", 10, ["zset", "zset"]),
        ("zset", 9, ["zset", "zset"]),
    ):
        found = entries_of(encoder(kind, version), tagged([texts, many], scores))
        assert [one.layout for one in found.values()] == layouts
        sizes = [len(value) for value in held(found)]
        assert sizes == [129, 600]
    assert entries_of(encoder("list"), tagged([[b"x" * 100] * 90]))[b"k:0"].layout == "list"


def test_one_value_is_a_key_of_one_member() -> None:
    batch = keyed([{"v": b"1.5"}, {"v": b"-2"}])
    for kind, expected in (
        ("list", [[b"1.5"], [b"-2"]]),
        ("set", [{b"1.5"}, {b"-2"}]),
        ("zset", [{b"1.5": 1.5}, {b"-2": -2.0}]),
    ):
        for version in VERSIONS:
            made = encoder(kind, version, value="{v}", score="{v}")
            assert held(entries_of(made, batch)) == expected
    many = batch_of({"id": [b"0", b"1"], "tags[]": [[b"a", b"b"], [b"c"]], "v": [b"1", b"2"]})
    same = encoder("zset", value="t:{tags[]}", score="{v}")
    assert held(entries_of(same, many)) == [{b"t:a": 1.0, b"t:b": 1.0}, {b"t:c": 2.0}]


def test_an_array_without_members_is_refused_as_the_command_is() -> None:
    batch = tagged([[b"a"], [], None, [None], [b"b", None]])
    for kind in ("list", "set"):
        refused = mapping(kind).single().split_encodable(batch)[1]
        good, refusals = encoder(kind).split_encodable(batch)
        assert refusals == refused
        assert [(one.index, one.reason) for one in refusals] == [
            (at, "{tags[]} has no members") for at in (1, 2, 3)
        ]
        assert list(map(len, held_again(encoder(kind), good))) == [1, 1]


def held_again(made: RdbEncoder, good: Batch) -> list[Any]:
    return [found.value for found in entries_of(made, good).values()]


def test_a_sorted_set_wants_a_score_that_is_a_number_for_each_member() -> None:
    tags: list[Any] = [[b"a", b"b"], [b"a"], [b"a", b"b"], [], [b"a"], [b"a"]]
    scores: list[Any] = [[b"1", b"2"], [b"1", b"2"], [b"1", b"x"], [b"1"], [b"nan"], [b"1e400"]]
    good, refusals = encoder("zset").split_encodable(tagged(tags, scores))
    assert held_again(encoder("zset"), good) == [{b"a": 1.0, b"b": 2.0}]
    no_float = "ERR value is not a valid float"
    assert [(one.index, one.reason) for one in refusals] == [
        (1, "it has 1 members and 2 scores"),
        (2, no_float),
        (3, "{tags[]} has no members"),
        (4, no_float),
        (5, no_float),
    ]
    batch = batch_of({"id": [b"0", b"1", None], "v": [b"a", b"7", b"8"]})
    good, refusals = encoder("zset", value="{id}", score="{v}").split_encodable(batch)
    assert held_again(encoder("zset", value="{id}", score="{v}"), good) == [{b"1": 7.0}]
    assert [(one.index, one.reason) for one in refusals] == [(0, no_float), (2, "it has no field {id}")]


GOOD = b"1 -1 +1 .5 5. 1e5 1E-3 inf -Infinity 0 -0 0.0e9 5e-324".split()
BAD = [b"", b" 1", b"1 ", *b"nan 1_0 1e400 -1e400 1e-400 x 1e . infi 0x \xff".split()]


def test_a_score_is_what_strtod_takes_whole() -> None:
    assert list(map(struct.Struct("<d").pack, parse_scores(pa.array(GOOD, pa.binary())).to_pylist())) == [
        struct.pack("<d", float(text)) for text in GOOD
    ]
    for text in BAD:
        assert parse_scores(pa.array([b"1", text, None], pa.binary())).to_pylist() == [1.0, None, None], text
    mixed = parse_scores(
        pa.array([b"0x1A", b"-0x.8p1", b"0x0", b"0x1p-9999", *GOOD], pa.binary())
    ).to_pylist()
    assert mixed == [26.0, -1.0, 0.0, None, *map(float, GOOD)]
