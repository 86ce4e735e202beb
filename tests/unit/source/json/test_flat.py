"""Blocks of one flat layout: read as ``json`` reads them, or left to it; and which of them are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from etl.plan import Batch, Projection
from etl.source.json.flat import parse_flat
from etl.source.json.lines import Jsonl, parse_any
from etl.source.text.format import WideError
from tests.cases import cases
from tests.examples import examples
from tests.unit.source.json_oracle import ALL, Number, Place, dumps, records

PEOPLE = [
    {"id": 7, "name": "Zoë", "score": 1.5, "ok": True},
    {"id": 8, "name": "", "score": -2, "ok": False},
]


def lines(rows: list[dict[str, Any]], **options: Any) -> bytes:
    return "".join(json.dumps(row, **options) + "\n" for row in rows).encode()


COMPACT: dict[str, Any] = {"separators": (",", ":")}

TAKEN = [
    ("json.dumps", lines(PEOPLE)),
    ("compact", lines(PEOPLE, **COMPACT)),
    ("not escaped", lines(PEOPLE, ensure_ascii=False)),
    ("no line break at the end", lines(PEOPLE)[:-1]),
    ("one record", lines(PEOPLE[:1])),
    ("one field", b'{"a":1}\n{"a":2}\n'),
    ("one empty string", b'{"a":""}\n{"a":""}\n'),
    ("an empty name", b'{"":"x"}\n'),
    ("an escape in a name", rb'{"\u00fc\"\\":1}' + b"\n"),
    ("white space inside", b'{ "a" : 1 , "b" : "x" }\n{ "a" : 2 , "b" : "y" }\n'),
    ("every escape", rb'{"a":"\"\\\/\b\f\n\r\t\u0001\ud83d\ude00","b":"x\\"}' + b'\n{"a":"","b":"\\""}\n'),
    ("quotes at both ends", rb'{"a":"\"x\""}' + b"\n"),
    (
        "what looks like JSON in a string",
        rb'{"a":"\",\"b\":null,","b":"},{"}' + b'\n{"a":":null","b":"null"}\n',
    ),
    ("null among strings", b'{"a":"x","b":1}\n{"a":null,"b":2}\n'),
    ("null first among strings", b'{"a":null,"b":1}\n{"a":"x","b":2}\n'),
    ("null among numbers", b'{"a":1}\n{"a":null}\n'),
    ("null for strings and numbers", b'{"a":"x","b":1}\n{"a":null,"b":null}\n{"a":"y","b":null}\n'),
    ("null only", b'{"a":null}\n{"a":null}\n'),
    ("a number, then a word", b'{"a":1}\n{"a":true}\n{"a":-0.0e+5}\n'),
    ("a long number", b'{"a":' + b"9" * 5000 + b"}\n"),
    ("a long string", b'{"a":"' + b"x" * (2 << 20) + b'"}\n'),
    ("many fields", lines([{f"f{number}": number for number in range(500)}] * 3)),
]


@cases("data", [case[1] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_records_of_one_flat_layout_are_read_without_json(data: bytes) -> None:
    batch = parse_flat(data, ALL, Place())
    assert batch is not None
    expected = [json.loads(line, parse_int=Number, parse_float=Number) for line in data.splitlines()]
    assert records([batch]) == [
        {
            name: (value if isinstance(value, str) else dumps(value)).encode()
            for name, value in record.items()
            if value is not None
        }
        for record in expected
    ]


LEFT = [
    ("nothing", b""),
    ("a blank line", b'{"a":1}\n\n{"a":2}\n'),
    ("a blank line at the end", b'{"a":1}\n\n'),
    ("CRLF", b'{"a":1}\r\n{"a":2}\r\n'),
    ("a lone \\r", b'{"a":1}\r{"a":2}\n'),
    ("a tab", b'{"a":\t1}\n'),
    ("a BOM", b'\xef\xbb\xbf{"a":1}\n'),
    ("no field", b"{}\n"),
    ("an array", b"[1]\n"),
    ("white space in front", b' {"a":1}\n'),
    ("a nested object", b'{"a":{"b":1}}\n'),
    ("a nested array", b'{"a":["b"]}\n'),
    ("a nested value in the second record", b'{"a":1}\n{"a":[1]}\n'),
    ("a name twice", b'{"a":1,"a":2}\n'),
    ("a name twice, once with an escape", rb'{"a":1,"\u0061":2}' + b"\n"),
    ("half of a surrogate pair in a name", rb'{"\ud800":1}' + b"\n"),
    ("halves of a surrogate pair in two names", rb'{"\ud83d":1,"\ude00":1}' + b"\n"),
    ("another order", b'{"a":1,"b":2}\n{"b":1,"a":2}\n'),
    ("another name", b'{"a":1}\n{"b":1}\n'),
    ("a field more", b'{"a":1}\n{"a":1,"b":2}\n'),
    ("another layout", b'{"a":1}\n{"a": 1}\n'),
    ("a string for a number", b'{"a":1}\n{"a":"1"}\n'),
    ("no UTF-8", b'{"a":"\xff"}\n'),
    ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}\n'),
    ("half of a surrogate pair", rb'{"a":"\ud800"}' + b"\n"),
    ("no such escape", rb'{"a":"\x"}' + b"\n"),
    ("no number", b'{"a":01}\n'),
    ("no number in the second record", b'{"a":1}\n{"a":1.}\n'),
    ("NaN", b'{"a":NaN}\n'),
    ("a control character", b'{"a":"\x00"}\n'),
    ("a stand-in", b'{"a":"\x01"}\n'),
    ("a stand-in behind a backslash", b'{"a":"\\\x03"}\n'),
    ("bad JSON", b'{"a":1}\n{"a":1\n'),
    ("text behind the record", b'{"a":1}\n{"a":1}x\n'),
    ("two records in a line", b'{"a":1}{"a":1}\n'),
]


@cases("data", [case[1] for case in LEFT], ids=[case[0] for case in LEFT])
def test_everything_else_is_left_to_json(data: bytes) -> None:
    assert parse_flat(data, ALL, Place()) is None


PROJECTIONS = [
    ALL,
    Projection(names=frozenset({"id", "nowhere", "a.b"})),
    Projection(names=frozenset({"id"}), all=True),
    Projection(names=frozenset({"id", "line", "json"}), line=True, json=True),
    Projection(all=True, include=("name", "nowhere", "id")),
    Projection(all=True, exclude=("name",), names=frozenset({"name"})),
    Projection(all=True, rename=(("name", "who"),), names=frozenset({"who"})),
    Projection(all=True, flatten=True, exclude=("a",)),
    Projection(all=True, omit_empty=True, names=frozenset({"name"})),
]


SHARING = Projection(all=True, rename=(("name", "id"),), names=frozenset({"name", "id"}))


@cases("projection", PROJECTIONS)
def test_a_projection_takes_the_fast_path(projection: Projection) -> None:
    assert parse_flat(lines(PEOPLE), projection, Place()) is not None


@pytest.mark.parametrize(
    "projection",
    [
        Projection(names=frozenset({"id"}), lists=frozenset({"name"})),
        Projection(json=True, exclude=("name",)),
        Projection(json=True, omit_empty=True),
        SHARING,
    ],
)
def test_a_projection_that_looks_into_values_writes_objects_or_joins_names_does_not(
    projection: Projection,
) -> None:
    assert parse_flat(lines(PEOPLE), projection, Place()) is None


def test_the_format_reads_flat_records_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("etl.source.json.lines.parse_any")
    batch = Jsonl().parse(lines(PEOPLE), ALL, Place())
    assert len(batch) == 2


def parts(batch: Batch) -> tuple[Any, ...]:
    """Everything that a batch is."""
    whole = (batch.numbers, batch.line, batch.json)
    fields = batch.fields
    return (
        fields.schema,
        fields.to_pylist(),
        batch.spread,
        [None if column is None else column.to_pylist() for column in whole],
        batch.rejects,
        len(batch),
        batch.rows,
    )


def outcome(parse: Callable[..., Batch | None], data: bytes, projection: Projection, place: Place) -> Any:
    """Return all that comes of parsing: a batch, that there are too many fields, or None."""
    try:
        batch = parse(data, projection, place)
    except WideError as error:
        return error.columns
    if batch is None:
        return None
    batch.fields.validate(full=True)
    return parts(batch)


def assert_same_or_left(data: bytes, projection: Projection, place: Place) -> None:
    flat = outcome(parse_flat, data, projection, place)
    event("left" if flat is None else "taken")
    if flat is not None:
        assert flat == outcome(parse_any, data, projection, place)


_PLACES = st.builds(Place, offset=st.just(0), first_record=st.none() | st.integers(0, 9))
_NAMES = st.sampled_from(["id", "name", "a", "a.b", "line", "json", "ü", "", "null", "a,b", ": ", '"\\'])
_BODIES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["", '"', "\\", '\\"', '"\\', "null", ":null", '":null,"', '"}', '{"', "\n", "\x01", "\x02", "😀", "\x7f"]
)
_NUMBERS = st.sampled_from(["0", "-0", "1.10", "1e5", "-1E+05", "9" * 30, "true", "false", "null"]).map(
    Number
)
_KINDS = st.sampled_from([_BODIES, _BODIES | st.none(), _NUMBERS])


@st.composite
def _flat_texts(draw: st.DrawFn) -> list[str]:
    """Records of one layout."""
    kinds = draw(st.dictionaries(_NAMES, _KINDS, min_size=1, max_size=5))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
    escape = draw(st.booleans())

    def text(value: Any) -> str:
        return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=escape)

    rows = draw(st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=6))
    return [
        "{" + comma.join(f"{json.dumps(name)}{colon}{text(value)}" for name, value in row.items()) + "}"
        for row in rows
    ]


@examples(5)
@given(_flat_texts(), st.sampled_from([*PROJECTIONS, SHARING]), _PLACES, st.booleans())
def test_records_of_one_layout_are_what_json_says(
    texts: list[str], projection: Projection, place: Place, ended: bool
) -> None:
    data = ("\n".join(texts) + "\n" * ended).encode()
    assert_same_or_left(data, projection, place)


_PIECES = st.sampled_from(
    [
        b'"',
        b"\\",
        b"\n",
        b"\r",
        b"\r\n",
        b",",
        b":",
        b"{",
        b"}",
        b" ",
        b"null",
        b"1",
        b"\x01",
        b"\x02",
        b"\x03",
    ]
) | st.binary(max_size=2)


@examples(7.5)
@given(
    st.lists(_flat_texts(), min_size=1, max_size=2),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), _PIECES), max_size=3),
    st.sampled_from(PROJECTIONS),
)
@example([['{"a":"x"}', '{"a":null}']], [(0.3, 0, b"\\")], ALL)
@example([['{"a":"\\\\"}']], [], ALL)
def test_records_of_mixed_layouts_and_spoilt_ones_are_what_json_says(
    mixed: list[list[str]], spoilt: list[tuple[float, int, bytes]], projection: Projection
) -> None:
    data = "\n".join(text for texts in mixed for text in texts).encode()
    for where, removed, put in spoilt:
        at = int(where * len(data))
        data = data[:at] + put + data[at + removed :]
    assert_same_or_left(data, projection, Place())


_TOKENS = st.sampled_from(
    [
        b'{"a":',
        b'{"a":"',
        b'"',
        b'",',
        b'"b":',
        b"}",
        b'"}',
        b"\n",
        b'{"a":1}\n',
        b'{"a":"x"}\n',
        b'{"a":null}\n',
        b"1",
        b"null",
        b"NaN",
        b"\\",
        b'\\"',
        b"\\u0041",
        b"\\ud800",
        b" ",
        b"\xff",
        b"\x01",
        b"\x02",
        b"\x03",
    ]
)


@examples(7.5)
@given(st.binary(max_size=40) | st.lists(_TOKENS, max_size=12).map(b"".join))
def test_any_bytes_are_what_json_says(data: bytes) -> None:
    assert_same_or_left(data, ALL, Place())
