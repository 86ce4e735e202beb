"""The format jsonl: which lines are records, and what their values are."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Projection
from etl.source.json.lines import Jsonl
from etl.source.storage.local import find_files
from etl.source.text.files import open_text_files
from tests.cases import cases
from tests.unit.source.json_oracle import (
    ALL,
    LAYOUTS,
    OBJECTS,
    Layout,
    Place,
    batches,
    loads,
    numbers,
    records,
    rejects,
    texts,
)

JSONL = Jsonl()

VALUES = [
    ('"text"', b"text"),
    ('""', b""),
    (r'"\u0041\n\"\\\/"', b'A\n"\\/'),
    (r'"\ud83d\ude00"', "😀".encode()),
    (r'"\\ud800"', rb"\ud800"),
    (r'"\u0000"', b"\0"),
    (r'"\u0000\u0001\u0002"', b"\0\1\2"),
    ('"Zürich"', "Zürich".encode()),
    ("1.10", b"1.10"),
    ("1e5", b"1e5"),
    ("-0.0", b"-0.0"),
    ("-0", b"-0"),
    ("12345678901234567890", b"12345678901234567890"),
    ("9" * 5000, b"9" * 5000),
    ("1" + "0" * 400 + ".5", b"1" + b"0" * 400 + b".5"),
    ("true", b"true"),
    ("false", b"false"),
    ("null", None),
    ("[]", b"[]"),
    ("{}", b"{}"),
    (
        '[1.10, {"b" : null, "a": [ -0.0 ]}, "é", "\\u0001", true]',
        '[1.10,{"b":null,"a":[-0.0]},"é","\\u0001",true]'.encode(),
    ),
    ('"1.10"', b"1.10"),
    ('["1.10", 1.10]', b'["1.10",1.10]'),
    ('"-Infinity"', b"-Infinity"),
    ('"NaN"', b"NaN"),
    ('"' + "x" * (1 << 20) + '"', b"x" * (1 << 20)),
]


@cases(("literal", "value"), VALUES, ids=lambda case: str(case)[:20])
def test_a_value_arrives_as_its_text(literal: str, value: bytes | None) -> None:
    line = f'{{"a": {literal}, "b": 1}}\n'.encode()
    expected = {"b": b"1"} if value is None else {"a": value, "b": b"1"}
    assert records(batches(JSONL, line)) == [expected]
    # Beside a bad line each one is decoded by itself.
    assert records(batches(JSONL, line + b"bad\n")) == [expected]


LINES = [
    ("no line break at the end", b'{"a":1}\n{"a":2}', 2),
    ("CRLF", b'{"a":1}\r\n{"a":2}\r\n', 2),
    ("blank lines", b'\n\r\n{"a":1}\n \t\n\n{"a":2}\n\n  ', 2),
    ("blank lines and arrays", b'\n{"a":1, "b": []}\n \n{"a":2}\n\n', 2),
    ("white space around", b' {"a":1} \n\t{"a":2}\t', 2),
    ("a BOM", b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', 2),
    ("nothing", b"", 0),
    ("a BOM and nothing", b"\xef\xbb\xbf", 0),
    ("white space only", b" \n\r\n\t\n", 0),
]


@cases("block_bytes", [1, 7, 1 << 20])
@cases(("data", "count"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_lines_that_are_not_blank_are_records(data: bytes, count: int, block_bytes: int) -> None:
    found = batches(JSONL, data, Projection(names=frozenset({"a"})), block_bytes)
    assert records(found) == [{"a": b"%d" % number} for number in range(1, count + 1)]
    assert numbers(found) == list(range(count))
    assert rejects(found) == []


BAD = [
    (b"{", "not JSON"),
    (b'{"a": 1', "column 8"),
    (b'{"a": nul}', "column 7"),
    (b'{"a": 1} {"a": 2}', "column 10"),
    (b'{"a": 1},{"a": 2}', "column 9"),
    (b"{'a': 1}", "column 2"),
    (b'{"a": 01}', "column"),
    (b'{"a": "tab\there"}', "column 11"),
    (b'{"a": NaN}', "literal NaN at column 7"),
    (b'{"a": ["NaN", Infinity]}', "literal Infinity at column 15"),
    (b'{"a": -Infinity}', "literal -Infinity at column 7"),
    (b'{"a": "\xff"}', "UTF-8 at byte 8"),
    (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
    (rb'{"a": "\ud800"}', "surrogate"),
    (rb'{"a": {"\udc00": 1}}', "surrogate"),
    (rb'{"a": "\ude00\ud83d"}', "surrogate"),
    (b"[1, 2]", "an array"),
    (b"1.10", "a number"),
    (b'"text"', "a string"),
    (b"true", "true"),
    (b"null", "null"),
    (b"\x0b", "not JSON"),
    (b"\0\0\0", "not JSON"),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 256"),
    (b"[" * 100_000, "deeper than 256"),
    (b'{"a":' * 100_000, "deeper than 256"),
    (b'{"a": ' + b"[" * 256 + b"]" * 256 + b"}", "deeper than 256"),
]


@cases(("line", "reason"), BAD, ids=lambda case: str(case)[:30])
@cases("block_bytes", [1, 1 << 20])
def test_a_bad_line_is_a_reject_and_costs_no_other(line: bytes, reason: str, block_bytes: int) -> None:
    data = b'{"a":1}\n\n' + line + b'\r\n{"a":2}\n'
    found = batches(JSONL, data, block_bytes=block_bytes)
    assert records(found) == [{"a": b"1"}, {"a": b"2"}]
    assert numbers(found) == [0, 2]
    (reject,) = rejects(found)
    assert (reject.file, reject.record, reject.offset, reject.raw) == ("file.json", 1, 9, line)
    assert reason in reject.reason


def test_a_nesting_of_256_levels_is_a_record() -> None:
    value = b"[" * 255 + b"]" * 255
    assert records(batches(JSONL, b'{"a": ' + value + b"}\n")) == [{"a": value}]


def test_lines_that_make_one_object_together_are_two_rejects() -> None:
    # Joined by commas these three are two objects and a third: as many as lines.
    data = b'{"a":[1\n2]}\n{"a":1},{"b":2}\n'
    found = batches(JSONL, data)
    assert records(found) == []
    assert [reject.raw for reject in rejects(found)] == data.splitlines()


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":[1\n2]}\n{"a":1},-Infinity,{"b":2}\n',
        b'{"a":"x\n{y"}\n{"a":1},{"b":2}\n',
        b'{"a":{"b":1}\n"c":2}\n{"a":1},{"b":2}\n',
    ],
)
def test_no_line_is_ever_joined_with_the_next(data: bytes) -> None:
    assert [reject.raw for reject in rejects(batches(JSONL, data))] == data.splitlines()


def test_of_two_fields_of_one_name_the_last_counts() -> None:
    assert records(batches(JSONL, b'{"a":1,"b":2,"a":3}\n')) == [{"a": b"3", "b": b"2"}]


def test_utf_16_is_refused_with_a_remedy() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        with pytest.raises(SourceError, match="iconv"):
            batches(JSONL, '{"a": 1}\n'.encode(encoding))


def test_the_original_record_is_found_again() -> None:
    data = b'\n{"a":1}\r\nbad\n \n{"a":2}'
    place = Place(offset=100, first_record=40)
    found = JSONL.originals(data, range(3), place)
    assert [(one.record, one.offset, one.raw, one.reason) for one in found] == [
        (40, 101, b'{"a":1}', ""),
        (41, 110, b"bad", ""),
        (42, 116, b'{"a":2}', ""),
    ]


def test_numbers_are_none_where_nobody_counts() -> None:
    batch = JSONL.parse(b'{"a":1}\nbad\n', ALL, Place(first_record=None))
    assert batch.numbers is None
    assert batch.rejects[0].record is None


def test_the_format_pickles() -> None:
    assert pickle.loads(pickle.dumps(JSONL)) == JSONL  # noqa: S301


def test_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"".join(b'{"id": %d}\n' % number for number in range(100)))
    source = open_text_files(find_files([str(path)]), JSONL)
    reader = source.open(ALL)
    blocks = list(source.blocks(64))
    assert len(blocks) > 10
    found = [batch for block in blocks for batch in reader.read(block)]
    reader.close()
    assert records(found) == [{"id": b"%d" % number} for number in range(100)]
    assert numbers(found) == list(range(100))


def test_records_without_common_fields_come_in_parts() -> None:
    data = b"".join(b'{"k%d":1}\n' % number for number in range(5000))
    found = batches(JSONL, data)
    assert len(found) > 1
    assert records(found) == [{f"k{number}": b"1"} for number in range(5000)]
    assert numbers(found) == list(range(5000))


def test_a_record_of_too_many_fields_is_a_reject() -> None:
    wide = b"{" + b",".join(b'"k%d":1' % number for number in range(70_000)) + b"}"
    found = batches(JSONL, b'{"a":1}\n' + wide + b'\n{"a":2}\n')
    assert records(found) == [{"a": b"1"}, {"a": b"2"}]
    (reject,) = rejects(found)
    assert (reject.record, reject.offset, reject.raw) == (1, 8, wide)
    assert "70,000 fields" in reject.reason


@given(
    st.lists(OBJECTS, max_size=8),
    LAYOUTS,
    st.sampled_from(["\n", "\r\n", "\n\n", " \n"]),
    st.booleans(),
    st.integers(1, 200),
)
@example([{"a": []}, {"a": {}}], Layout(), "\n", True, 1)
def test_any_objects_in_any_layout_and_block_size_are_what_json_says(
    objects: list[dict[str, object]], layout: Layout, end: str, ended: bool, block_bytes: int
) -> None:
    lines = [layout.write(one) for one in objects]
    data = (end.join(lines) + (end if ended and lines else "")).encode()
    expected = [texts(loads(line)) for line in lines]
    found = batches(JSONL, data, Projection(all=True, line=True, json=True), block_bytes)
    assert rejects(found) == []
    assert records(found) == expected
    assert numbers(found) == list(range(len(lines)))
    kept = [line for batch in found if batch.line is not None for line in batch.line.to_pylist()]
    assert [line.strip().decode() for line in kept] == lines
    kept = [text for batch in found if batch.json is not None for text in batch.json.to_pylist()]
    assert [text.decode() for text in kept] == lines


_TOKENS = st.sampled_from(
    [
        b'{"a":1}',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b'"',
        b"\\",
        b"\n",
        b"\r\n",
        b" ",
        b"1",
        b"null",
        b"NaN",
        b"-Infinity",
        b'{"a":[1',
        b"2]}",
        b'"a":',
        b"\xff",
        b"\\ud800",
        b"\0",
        b"\xef\xbb\xbf",
    ]
)


@given(st.binary(max_size=40) | st.lists(_TOKENS, max_size=12).map(b"".join), st.integers(1, 50))
def test_any_bytes_are_records_or_rejects_line_by_line(data: bytes, block_bytes: int) -> None:
    assume(b"\0" not in data[:4] and not data.startswith((b"\xff\xfe", b"\xfe\xff")))
    assume(not re.match(rb"(\xef\xbb\xbf)?[ \t\r\n]*\[[ \t\r\n]*\{", data))  # a JSON array
    found = batches(JSONL, data, Projection(all=True, line=True), block_bytes)
    kept = [line for batch in found if batch.line is not None for line in batch.line.to_pylist()]
    refused = [reject.raw for reject in rejects(found)]
    text = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n") if line.strip(b" \t\r\n")]
    assert sorted(kept + refused) == sorted(lines)
    for reject in rejects(found):
        assert reject.offset is not None
        assert data[reject.offset :].startswith(reject.raw)
        assert reject.record == lines.index(reject.raw) or lines.count(reject.raw) > 1
    for line in kept:
        assert isinstance(loads(line), dict)


def test_an_array_of_objects_is_not_json_lines_but_a_line_that_is_one_is_a_bad_record() -> None:
    for text in (
        b'[{"a":1},\n{"a":2}]',
        b'[\n  {"a": 1}\n]\n',
        b' [{"a":1},{"a":2}]\n',
        b'[{"a":' + b"1" * 9,
    ):
        with pytest.raises(SourceError, match=r"^x begins with \[: a JSON array is read with --format json$"):
            Jsonl().begin(text, final=True, file="x")
    for text in (b'[{"a":1}]\n{"a":2}\n', b"[1,2]\n", b"[]", b"[[", b'{"a":1}\n'):
        assert Jsonl().begin(text, final=True, file="x") == (Jsonl(), 0)
