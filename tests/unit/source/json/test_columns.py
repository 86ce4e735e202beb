"""What a projection makes of JSON objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan import Batch, Projection
from etl.source.json.array import JsonArray
from etl.source.json.columns import find
from etl.source.json.lines import Jsonl
from etl.source.json.literals import Literals
from etl.source.text.format import TextFormat
from tests.cases import cases
from tests.unit.source.json_oracle import (
    LAYOUTS,
    OBJECTS,
    Layout,
    Place,
    batches,
    dumps,
    loads,
    numbers,
    records,
    rejects,
    text,
)

PERSON = '{"id": 7, "address": {"city": "Rome", "geo": {"lat": 1.10}}, "tags": ["x", 2.0, null], "e": ""}'


def read(lines: str, **options: Any) -> Batch:
    for name in ("names", "lists"):
        options[name] = frozenset(options.get(name, ()))
    return Jsonl().parse(lines.encode(), Projection(**options), Place())


@cases(
    ("name", "value"),
    [
        ("id", b"7"),
        ("address", b'{"city":"Rome","geo":{"lat":1.10}}'),
        ("address.city", b"Rome"),
        ("address.geo", b'{"lat":1.10}'),
        ("address.geo.lat", b"1.10"),
        ("tags", b'["x",2.0,null]'),
        ("tags.0", b"x"),
        ("tags.1", b"2.0"),
        ("tags.2", None),
        ("tags.3", None),
        ("tags.-1", None),
        ("tags.x", None),
        ("tags.0.x", None),
        ("tags." + "9" * 5000, None),
        ("id.x", None),
        ("e", b""),
        ("nowhere", None),
        ("address.nowhere", None),
    ],
)
@cases("flatten", [False, True])
def test_a_name_is_a_field_or_a_way_into_nested_ones(name: str, value: bytes | None, flatten: bool) -> None:
    batch = read(PERSON, names=[name], flatten=flatten, all=flatten)
    assert batch.fields.column(name).to_pylist() == [value]


def test_a_field_with_a_dot_in_its_name_counts_before_what_is_nested() -> None:
    batch = read('{"a.b": 1, "a": {"b": 2}}\n{"a": {"b": 2}}\n{"a.b": null, "a": {"b": 2}}', names=["a.b"])
    assert batch.fields.column("a.b").to_pylist() == [b"1", b"2", None]


def test_dots_may_be_anywhere_in_the_keys_on_the_way() -> None:
    assert find({"a": {"x": 0}, "a.b": {"c.d": [{"e": "here"}]}}, "a.b.c.d.0.e") == "here"


def test_only_what_is_named_is_a_column() -> None:
    batch = read('{"a": 1, "b": 2}', names=["b"])
    assert batch.fields.schema.names == ["b"]
    assert batch.spread == ()
    assert batch.json is None
    assert batch.line is None


def test_spread_is_every_field_in_order_of_first_appearance() -> None:
    batch = read('{"b": 1}\n{"a": 2, "b": 3}\n{"c": null}', all=True, names=["b"])
    assert batch.spread == ("b", "a", "c")
    assert records([batch]) == [{"b": b"1"}, {"a": b"2", "b": b"3"}, {}]


def test_flatten_spreads_objects_and_keeps_arrays() -> None:
    batch = read('{"a": {"b": {"c": 1.0}, "d": [{"e": 1}]}, "f": {}, "g": 2}', all=True, flatten=True)
    assert batch.spread == ("a.b.c", "a.d", "f", "g")
    assert records([batch]) == [{"a.b.c": b"1.0", "a.d": b'[{"e":1}]', "f": b"{}", "g": b"2"}]


@cases(
    ("options", "spread"),
    [
        ({"include": ("b", "a", "nowhere")}, ("a", "b")),
        ({"exclude": ("a",)}, ("b", "c")),
        ({"include": ("a", "b"), "exclude": ("b",)}, ("a",)),
        ({"rename": (("a", "z"),)}, ("z", "b", "c")),
        ({"rename": (("a", "b"),), "exclude": ("b",)}, ("b", "c")),
        ({"rename": (("a", "b"), ("b", "a"))}, ("b", "a", "c")),
        ({"rename": (("a", "b"),), "exclude": ("a",)}, ("b", "c")),
        ({"include": ("a",), "rename": (("a", "z"),)}, ("z",)),
        ({"flatten": True, "include": ("c",)}, ("c.x", "c.y.z")),
        ({"flatten": True, "include": ("c.y",)}, ("c.y.z",)),
        ({"flatten": True, "exclude": ("c.y",)}, ("a", "b", "c.x")),
        ({"flatten": True, "exclude": ("c",)}, ("a", "b")),
        ({"flatten": True, "rename": (("c.x", "x"),)}, ("a", "b", "x", "c.y.z")),
    ],
)
def test_fields_are_chosen_and_renamed(options: dict[str, Any], spread: tuple[str, ...]) -> None:
    line = '{"a": 1, "b": 2, "c": {"x": 3, "y": {"z": 4}}}'
    batch = read(line, all=True, json=True, **options)
    assert batch.spread == spread
    assert batch.json is not None
    assert tuple(loads(batch.json[0].as_py())) == spread


def test_a_renamed_field_is_found_by_its_new_name_only() -> None:
    batch = read('{"a": 1}', all=True, names=["a", "b"], rename=(("a", "b"),))
    assert records([batch]) == [{"b": b"1"}]


SHARED = '{"a":1}\n{"a":1,"b":2}\nbad\n{"b":3}\n{"a":4,"b":null}\n{"c":{"x":5},"b":6}'


@cases("format", [Jsonl(), JsonArray()])
@cases(
    "options",
    [
        {"all": True},
        {"json": True},
        {"names": frozenset({"b"}), "exclude": ("b",)},
        {"lists": frozenset({"b"})},
        {"all": True, "line": True},
    ],
)
def test_a_record_in_which_two_fields_would_have_one_name_is_a_reject(
    format: TextFormat, options: dict[str, Any]
) -> None:
    data = SHARED if format == Jsonl() else "[" + SHARED.replace("\n", ",") + "]"
    projection = Projection(rename=(("a", "b"), ("c.x", "y")), **options)
    found = batches(format, data.encode(), projection)
    assert [(reject.record, reject.raw) for reject in rejects(found)] == [
        (1, b'{"a":1,"b":2}'),
        (2, b"bad"),
        (4, b'{"a":4,"b":null}'),
    ]
    assert rejects(found)[0].reason == "two of its fields would be named 'b'"
    assert [data.encode()[reject.offset :][: len(reject.raw)] for reject in rejects(found)] == [
        reject.raw for reject in rejects(found)
    ]
    assert numbers(found) == [0, 3, 5]
    (batch,) = found
    if projection.all:
        assert batch.fields.column("b").to_pylist() == [b"1", b"3", b"6"]
    if projection.json:
        assert batch.json is not None
        assert batch.json.to_pylist() == [b'{"b":1}', b'{"b":3}', b'{"c":{"x":5},"b":6}']
    if projection.names:
        assert batch.fields.column("b").to_pylist() == [b"1", b"3", b"6"]
    if projection.lists:
        assert batch.fields.column("b[]").to_pylist() == [[b"1"], [b"3"], [b"6"]]


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"all": True}, 0),  # what is nested has no name of its own
        ({"all": True, "flatten": True}, 1),
        ({"names": frozenset({"b"})}, 1),
    ],
)
def test_a_nested_field_shares_a_name_where_it_has_one(options: dict[str, Any], refused: int) -> None:
    projection = Projection(rename=(("c.x", "b"),), **options)
    batch = Jsonl().parse(b'{"c":{"x":5},"b":6}\n{"c":{"x":5}}\n{"b":6}', projection, Place())
    assert len(batch.rejects) == refused


def test_fields_that_are_not_wanted_share_no_name() -> None:
    projection = Projection(all=True, exclude=("b",), rename=(("a", "b"),))
    batch = Jsonl().parse(b'{"a":1,"b":2}\n', projection, Place())
    assert (records([batch]), batch.rejects) == ([{"b": b"1"}], ())


def test_json_is_the_records_own_text_where_nothing_changes_it() -> None:
    batch = read(' {"a" : 1.10, "a": [1, 2]} \r\n{"b":"\\u0041"}', json=True, line=True)
    assert batch.json is not None
    assert batch.line is not None
    assert batch.json.to_pylist() == [b'{"a" : 1.10, "a": [1, 2]}', b'{"b":"\\u0041"}']
    assert batch.line.to_pylist() == [b' {"a" : 1.10, "a": [1, 2]} ', b'{"b":"\\u0041"}']


def test_changed_json_is_compact_with_literal_numbers_and_nulls() -> None:
    line = '{"a": 1.10, "b": [1e5, "1e5", "\\u0000", "é"], "c": null, "d": ""}\n{"a": 2}'
    batch = read(line, json=True, exclude=("a",))
    assert batch.json is not None
    assert batch.json.to_pylist() == ['{"b":[1e5,"1e5","\\u0000","é"],"c":null,"d":""}'.encode(), b"{}"]


def test_omit_empty_makes_an_empty_text_an_absent_field() -> None:
    line = '{"a": "", "b": " ", "c": [""], "d": 0, "e": {"f": ""}}'
    batch = read(line, all=True, json=True, omit_empty=True, lists=["a", "c"])
    kept = {"b": b" ", "c": b'[""]', "d": b"0", "e": b'{"f":""}'}
    assert {name: value for name, value in records([batch])[0].items() if name in batch.spread} == kept
    assert batch.fields.column("a[]").to_pylist() == [None]
    assert batch.fields.column("c[]").to_pylist() == [[]]
    assert batch.json is not None
    assert batch.json.to_pylist() == [b'{"b":" ","c":[""],"d":0,"e":{"f":""}}']


def test_members_of_an_array_are_a_list() -> None:
    lines = [
        '{"t": ["a", 1.10, true, null, {"x": [1.0]}, [2, 3]]}',
        '{"t": []}',
        '{"t": null}',
        "{}",
        '{"t": "one"}',
        '{"t": {"x": 1}}',
        '{"t": 7}',
    ]
    batch = read("\n".join(lines), lists=["t"])
    assert batch.fields.column("t[]").to_pylist() == [
        [b"a", b"1.10", b"true", b'{"x":[1.0]}', b"[2,3]"],
        [],
        None,
        None,
        [b"one"],
        [b'{"x":1}'],
        [b"7"],
    ]


def test_members_of_a_nested_and_of_a_renamed_array_are_found() -> None:
    batch = read('{"a": {"t": ["x"]}, "b": ["y"]}', lists=["a.t", "c"], rename=(("b", "c"),))
    assert batch.fields.column("a.t[]").to_pylist() == [[b"x"]]
    assert batch.fields.column("c[]").to_pylist() == [[b"y"]]


def test_line_and_json_are_the_whole_record_unless_it_has_such_a_field() -> None:
    batch = read('{"line": 5}\n{"a": 1}', line=True, json=True, names=["line", "json"])
    assert batch.fields.schema.names == ["line"]
    assert batch.fields.column("line").to_pylist() == [b"5", b'{"a": 1}']


def test_a_batch_without_columns_knows_its_length() -> None:
    batch = read('{"a": 1}\n{"a": 2}\n', json=True)
    assert len(batch) == 2
    assert batch.fields.num_columns == 0


def test_a_mark_is_what_no_string_holds() -> None:
    data = b"".join(b"\\u%04x" % code for code in range(32))
    mark = Literals.of(data).mark
    assert len(mark) == 2
    # Every character that a mark is made of is in the record, and its number is still one.
    line = b'{"a": ["' + data + b'", 1.10], "b": "' + data + b'", "c": 1.10}'
    strings = bytes(range(32))
    batch = Jsonl().parse(line, Projection(all=True), Place())
    assert batch.fields.column("b").to_pylist() == [strings]
    assert batch.fields.column("c").to_pylist() == [b"1.10"]
    assert batch.fields.column("a")[0].as_py() == text(loads(line)["a"])


@given(st.lists(OBJECTS, min_size=1, max_size=6), LAYOUTS)
def test_any_objects_written_again_are_the_same_objects(
    objects: list[dict[str, object]], layout: Layout
) -> None:
    lines = "\n".join(layout.write(one) for one in objects)
    batch = read(lines, json=True, exclude=("id",), names=["a.b", "a"])
    expected = [{name: value for name, value in one.items() if name != "id"} for one in objects]
    assert batch.json is not None
    assert batch.json.to_pylist() == [dumps(one).encode() for one in expected]
    assert batch.fields.column("a").to_pylist() == [text(one.get("a")) for one in objects]
