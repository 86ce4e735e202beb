"""The format json: elements of an array, found by structure and read in blocks."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.plan import Projection
from etl.source.json.array import JsonArray
from etl.source.storage.local import find_files
from etl.source.text.files import open_text_files
from tests.cases import cases
from tests.unit.source.json_oracle import (
    ALL,
    OBJECTS,
    Layout,
    Place,
    batches,
    cut,
    loads,
    numbers,
    records,
    rejects,
    texts,
)

ARRAY = JsonArray()
TWO = [{"a": b"1"}, {"a": b"2"}]

WHOLE = [
    ("compact", b'[{"a":1},{"a":2}]', TWO),
    ("spaced", b' [ {"a":1} , {"a":2} ] \n', TWO),
    ("indented", json.dumps([{"a": 1}, {"a": 2}], indent=2).encode(), TWO),
    ("CRLF", b'[\r\n{"a":1},\r\n{"a":2}\r\n]\r\n', TWO),
    ("BOM", b'\xef\xbb\xbf[{"a":1},{"a":2}]', TWO),
    ("a comma at the end", b'[{"a":1},{"a":2},\n]', TWO),
    ("empty", b"[]", []),
    ("empty, spaced", b"\n[ \n ]\n", []),
    ("empty objects", b"[{},{}]", [{}, {}]),
    ("brackets in strings", b'[{"a":"}],["},{"a":"\\"]}\\\\"}]', [{"a": b"}],["}, {"a": b'"]}\\'}]),
    ("nested", b'[{"a":[{"b":[1,2]}]},{"a":2}]', [{"a": b'[{"b":[1,2]}]'}, {"a": b"2"}]),
]


@cases("block_bytes", [1, 5, 1 << 20])
@cases(("data", "expected"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE])
def test_elements_are_records(data: bytes, expected: list[dict[str, bytes]], block_bytes: int) -> None:
    found = batches(ARRAY, data, block_bytes=block_bytes)
    assert records(found) == expected
    assert numbers(found) == list(range(len(expected)))
    assert rejects(found) == []


BAD = [
    (b"1.10", "a number"),
    (b'"a, [text"', "a string"),
    (b"[1, 2]", "an array"),
    (b"null", "null"),
    (b'{"a": nul}', "column 7"),
    (b'{"a":\n nul}', "line 2, column 2"),
    (b'{"a": 1,}', "not JSON"),
    (b'{"a": [1}}', "not JSON"),
    (b'{"a": NaN}', "literal NaN at column 7"),
    (b"-Infinity", "literal -Infinity at column 1"),
    (b'{"a" 1}', "not JSON"),
    (b'{"a": 1} {"b": 2}', "column 10"),
    (b"", "not JSON"),
    (b'{"a": "\xff"}', "UTF-8"),
    (rb'{"a": "\ud800"}', "surrogate"),
    (b'{"a": "line\nbreak"}', "not JSON"),
    (b"[" * 100_000 + b"]" * 100_000, "deeper than 256"),
    (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "deeper than 256"),
]


@cases("block_bytes", [1, 1 << 20])
@cases(("element", "reason"), BAD, ids=lambda case: str(case)[:30])
def test_a_bad_element_is_a_reject_and_costs_no_other(element: bytes, reason: str, block_bytes: int) -> None:
    data = b'[{"a":1}, ' + element + b' ,{"a":2}]'
    found = batches(ARRAY, data, block_bytes=block_bytes)
    assert records(found) == TWO
    assert numbers(found) == [0, 2]
    (reject,) = rejects(found)
    assert (reject.record, reject.raw) == (1, element)
    assert reject.offset is not None
    assert data[reject.offset :].startswith(element)
    assert reason in reject.reason


def test_an_array_of_scalars_is_all_rejects() -> None:
    found = batches(ARRAY, b'[1, "two", null, true]')
    assert [reject.raw for reject in rejects(found)] == [b"1", b'"two"', b"null", b"true"]
    assert all("no JSON object" in reject.reason for reject in rejects(found))


@cases(("data", "count"), [(b"[,]", 1), (b"[,,]", 2), (b"[,{}]", 1), (b"[{},,{}]", 1), (b"[{}, ,]", 1)])
@cases("block_bytes", [1, 1 << 20])
def test_nothing_before_a_comma_is_a_reject(data: bytes, count: int, block_bytes: int) -> None:
    found = batches(ARRAY, data, block_bytes=block_bytes)
    assert [reject.raw for reject in rejects(found)] == [b""] * count
    assert len(records(found)) == data.count(b"{}")


LOST = [
    (b'[{"a":1},{"a":2}', 16, "without its ]"),
    (b'[{"a":1},', 9, "without its ]"),
    (b'[{"a":1}, \n', 11, "without its ]"),
    (b"[", None, "without its ]"),
    (b"[ ", 2, "without its ]"),
    (b'[{"a":1},{"a":', 9, "never ends"),
    (b'[{"a":1},{"a":"x]', 9, "never ends"),
    (b'[{"a":1},"x', 9, "never ends"),
    (b'[{"a":1}, {"a":"x}, {"a":2}]', 10, "never ends"),
    (b'[{"a":1}] x', 10, "follows the end"),
    (b'[{"a":1}]\n[{"a":2}]', 10, "follows the end"),
    (b'[{"a":1}] "]"', 10, "follows the end"),
    (b'[{"a":1}] "', 10, "follows the end"),
    (b'[{"a":1}]]', 9, "follows the end"),
    (b'[{"a":1}},{"a":2}]', 8, "closes nothing"),
    (b'[{"a":1},}]', 9, "closes nothing"),
]


@cases("block_bytes", [1, 4, 1 << 20])
@cases(("data", "at", "reason"), LOST, ids=lambda case: str(case)[:30])
def test_a_lost_structure_is_an_error_with_its_place(
    data: bytes, at: int | None, reason: str, block_bytes: int
) -> None:
    with pytest.raises(SourceError, match=reason) as raised:
        batches(ARRAY, data, block_bytes=block_bytes)
    assert str(raised.value).startswith("file.json")
    if at is not None:
        assert f"at byte {at} " in str(raised.value)


@cases(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"a": 1}', "--format jsonl"),
        (b'\xef\xbb\xbf {"a": 1}\n{"a": 2}\n', "--format jsonl"),
        (b"id,name\n", "begins with"),
        ('[{"a": 1}]'.encode("utf-16"), "iconv"),
        ('[{"a": 1}]'.encode("utf-16-be"), "iconv"),
    ],
)
def test_what_is_no_array_is_refused_with_a_remedy(data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as raised:
        batches(ARRAY, data)
    assert "file.json" in str(raised.value)


def test_a_block_that_was_changed_since_it_was_cut_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"file\.json: at byte 105 .* never ends"):
        ARRAY.parse(b'{},x,{"a":"', ALL, Place(offset=100))


def test_the_original_record_is_found_again() -> None:
    place = Place(offset=100, first_record=40)
    found = ARRAY.originals(b' {"a":1},\n 5 ,{"a":[2,\n3]} ]', range(3), place)
    assert [(one.record, one.offset, one.raw, one.reason) for one in found] == [
        (40, 101, b'{"a":1}', ""),
        (41, 111, b"5", ""),
        (42, 114, b'{"a":[2,\n3]}', ""),
    ]


def test_line_and_json_are_the_element_as_it_stands_in_the_file() -> None:
    data = b'[ {"a" : 1.10,\n "b":[1, 2]} , {"a": 2} ]'
    elements = [b'{"a" : 1.10,\n "b":[1, 2]}', b'{"a": 2}']
    (batch,) = batches(ARRAY, data, Projection(line=True, json=True))
    assert batch.line is not None
    assert batch.json is not None
    assert batch.line.to_pylist() == elements
    assert batch.json.to_pylist() == elements


def test_an_element_longer_than_many_blocks_is_scanned_a_few_times_only() -> None:
    class Counting(JsonArray):
        seen = 0

        def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
            Counting.seen += len(data)
            return super().scan(data, final=final)

    data = b'[{"a":1},{"a":"' + b"x,]}" * 50_000 + b'"},{"a":2}]'
    assert [len(one["a"]) for one in records(batches(Counting(), data, block_bytes=100))] == [1, 200_000, 1]
    assert Counting.seen < 5 * len(data)


def test_a_long_string_between_windows_does_not_hide_the_last_comma() -> None:
    head = b'{"a":"' + b"[," * 100_000 + b'"},'
    assert ARRAY.scan(head + b'{"a":"' + b"]," * 100_000, final=False) == (len(head), 1)


def test_elements_nested_deeply_are_counted() -> None:
    deep = b"[" * 1000 + b"]" * 1000
    data = b",".join([deep, b'{"a":1}', deep]) + b",{"
    assert ARRAY.scan(data, final=False) == (len(data) - 1, 3)


def test_elements_of_thousands_of_strings_are_found() -> None:
    element = json.dumps({"a": ["x,"] * 5000}).encode()
    found = batches(ARRAY, b"[" + element + b",bad," + element + b"]")
    assert [reject.raw for reject in rejects(found)] == [b"bad"]
    assert len(records(found)) == 2


def test_the_format_pickles() -> None:
    assert pickle.loads(pickle.dumps(ARRAY)) == ARRAY  # noqa: S301


def test_a_file_is_read_in_blocks_and_its_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps([{"id": number} for number in range(100)], indent=2))
    source = open_text_files(find_files([str(path)]), ARRAY)
    reader = source.open(ALL)
    blocks = list(source.blocks(64))
    assert len(blocks) > 10
    found = [batch for block in blocks for batch in reader.read(block)]
    reader.close()
    assert records(found) == [{"id": b"%d" % number} for number in range(100)]

    path.write_bytes(b'[{"id": 1}')
    source = open_text_files(find_files([str(path)]), ARRAY)
    with pytest.raises(SourceError, match=r"some\.json: at byte 10 "):
        list(source.blocks(64))


_LAYOUTS = st.builds(
    Layout,
    comma=st.sampled_from([",", ", ", " ,"]),
    colon=st.sampled_from([":", ": ", "\n:"]),
    ascii=st.booleans(),
    break_line=st.sampled_from(["", "\n", "\r\n  "]),
)


@given(st.lists(OBJECTS, max_size=8), _LAYOUTS, st.integers(1, 200))
def test_any_objects_in_any_layout_and_block_size_are_what_json_says(
    objects: list[dict[str, object]], layout: Layout, block_bytes: int
) -> None:
    data = layout.write(objects).encode()
    expected = [texts(one) for one in loads(data)]
    found = batches(ARRAY, data, Projection(all=True, json=True), block_bytes)
    assert rejects(found) == []
    assert records(found) == expected
    assert numbers(found) == list(range(len(objects)))
    kept = [text for batch in found if batch.json is not None for text in batch.json.to_pylist()]
    assert [text.decode() for text in kept] == [layout.write(one) for one in objects]


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
        b'\\"',
        b"\n",
        b" ",
        b"1",
        b"null",
        b"NaN",
        b'{"a":"',
        b'"}',
        b"\xff",
        b"\\ud800",
        b"\0",
        b"-Infinity",
    ]
)


def outcome(data: bytes, block_bytes: int) -> object:
    try:
        found = batches(ARRAY, data, block_bytes=block_bytes)
    except SourceError as error:
        return str(error)
    return records(found), rejects(found), numbers(found)


@given(
    st.binary(max_size=40) | st.lists(_TOKENS, max_size=14).map(lambda some: b"[" + b"".join(some) + b"]"),
    st.integers(1, 50),
)
def test_any_bytes_are_records_and_rejects_or_one_error(data: bytes, block_bytes: int) -> None:
    whole = outcome(data, 1 << 20)
    assert outcome(data, block_bytes) == whole
    if isinstance(whole, str):  # an error, at the same place however the file is cut
        return
    for block in cut(ARRAY, data, block_bytes):
        for index in range(block.records):
            (original,) = ARRAY.originals(block.data, [index], block.place)
            assert original.offset is not None
            assert data[original.offset :].startswith(original.raw)
