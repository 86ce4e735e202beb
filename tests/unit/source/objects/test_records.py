from __future__ import annotations

import datetime
import json
import math
import pickle
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from itertools import pairwise
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.objects.open import open_table
from etl.source.objects.records import RecordStream
from tests.cases import cases
from tests.examples import examples

ALL = Projection(all=True)


def open_records(data: Any) -> RecordStream:
    source = open_table(data)
    assert isinstance(source, RecordStream)
    return source


def batches_of(data: Any, projection: Projection = ALL, block_bytes: int = 1 << 20) -> list[Batch]:
    source = open_records(data)
    blocks = list(source.blocks(block_bytes))
    reader = pickle.loads(pickle.dumps(source)).open(projection)  # noqa: S301 - as a plan travels
    return [batch for block in blocks for batch in reader.read(block)]


def read(data: Any, projection: Projection = ALL, block_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    return [
        record for batch in batches_of(data, projection, block_bytes) for record in batch.fields.to_pylist()
    ]


def rejects(data: Any) -> list[Reject]:
    return [reject for batch in batches_of(data) for reject in batch.rejects]


class Color(IntEnum):
    RED = 7


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no")


UTC = datetime.timezone.utc

VALUES: list[tuple[Any, bytes | None, Any]] = [
    ("text", b"text", "text"),
    ("", b"", ""),
    ('é\n"\\\u2028\x00', 'é\n"\\\u2028\x00'.encode(), 'é\n"\\\u2028\x00'),
    (b"\xff\x00raw", b"\xff\x00raw", "/wByYXc="),
    (bytearray(b"x"), b"x", "eA=="),
    (memoryview(b"xy"), b"xy", "eHk="),
    (b"", b"", ""),
    (7, b"7", 7),
    (-(10**30), b"-1000000000000000000000000000000", -(10**30)),
    (Color.RED, b"7", 7),
    (1.0, b"1.0", 1.0),
    (-0.0, b"-0.0", -0.0),
    (1e22, b"1e+22", 1e22),
    (math.nan, b"nan", None),
    (math.inf, b"inf", None),
    (-math.inf, b"-inf", None),
    (True, b"true", True),
    (False, b"false", False),
    (None, None, None),
    (Decimal("1.10"), b"1.10", 1.1),
    (Decimal("1E-10"), b"0.0000000001", 1e-10),
    (Decimal("NaN"), b"nan", None),
    (Decimal("-Infinity"), b"-inf", None),
    (datetime.datetime(2024, 1, 2, 3, 4, 5), b"2024-01-02T03:04:05", "2024-01-02T03:04:05"),
    (datetime.datetime(2024, 1, 2, tzinfo=UTC), b"2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"),
    (datetime.date(2024, 1, 2), b"2024-01-02", "2024-01-02"),
    (datetime.time(3, 4, 5, 6), b"03:04:05.000006", "03:04:05.000006"),
    (datetime.timedelta(minutes=90), b"PT5400S", "PT5400S"),
    (datetime.timedelta(milliseconds=-1500), b"-PT1.500000S", "-PT1.500000S"),
    (uuid.UUID(int=5), b"00000000-0000-0000-0000-000000000005", "00000000-0000-0000-0000-000000000005"),
    (PurePosixPath("/a/b"), b"/a/b", "/a/b"),
    ([1, None, "x"], b'[1,null,"x"]', [1, None, "x"]),
    ((1, 2), b"[1,2]", [1, 2]),
    ([math.nan, b"x"], b'[null,"eA=="]', [None, "eA=="]),
    ({"a": {"b": Decimal("2.50")}}, b'{"a":{"b":2.50}}', {"a": {"b": 2.5}}),
    (MappingProxyType({"a": 1}), b'{"a":1}', {"a": 1}),
    (np.int32(5), b"5", 5),
    (np.float64(0.5), b"0.5", 0.5),
    (np.float32(0.5), b"0.5", 0.5),
    (np.bool_(True), b"true", True),
    (np.array([1.5, 2.0]), b"[1.5,2.0]", [1.5, 2.0]),
    (np.array([1.5, math.nan], np.float32), b"[1.5,null]", [1.5, None]),
    (np.datetime64("2024-01-02"), b"2024-01-02", "2024-01-02"),
    (np.datetime64("NaT"), None, None),
    (
        pd.Timestamp("2024-01-02T03:04:05.000000006"),
        b"2024-01-02T03:04:05.000000006",
        "2024-01-02T03:04:05.000000006",
    ),
    (pd.NaT, None, None),
    (pd.NA, None, None),
]


@cases(("value", "text", "in_json"), VALUES, ids=lambda value: str(value).partition(" at 0x")[0][:20])
def test_values_of_all_types_have_their_text(value: Any, text: bytes | None, in_json: Any) -> None:
    data = [{"a": value, "n": 1}, {"a": "other", "n": 2}]
    assert read(data, Projection(names=frozenset({"a"}))) == [{"a": text}, {"a": b"other"}]
    (batch,) = batches_of(data, Projection(json=True, line=True))
    for column in (batch.json, batch.line):
        assert column is not None
        assert json.loads(column[0].as_py()) == {"a": in_json, "n": 1}


def test_members_of_lists_keep_their_bytes() -> None:
    data = [{"x": [b"\xff", "text", None, Decimal("1.0")]}, {"x": None}, {"x": []}, {"x": b"\xfe"}]
    records = read(data, Projection(lists=frozenset({"x"})))
    assert [record["x[]"] for record in records] == [[b"\xff", b"text", b"1.0"], None, [], [b"\xfe"]]


def test_parts_of_nested_dicts_can_be_named_and_flattened() -> None:
    data = [{"a": {"b": b"\xff", "c": {"d": 1}}}, {"a": None}]
    assert read(data, Projection(names=frozenset({"a.b", "a.c.d"}))) == [
        {"a.b": b"\xff", "a.c.d": b"1"},
        {"a.b": None, "a.c.d": None},
    ]
    assert read([data[0]], Projection(all=True, flatten=True)) == [{"a.b": b"\xff", "a.c.d": b"1"}]


def test_records_need_not_have_the_same_keys() -> None:
    assert read([{"a": 1}, {"b": 2}, {}]) == [
        {"a": b"1", "b": None},
        {"a": None, "b": b"2"},
        {"a": None, "b": None},
    ]


def test_mappings_and_keys_that_json_makes_strings_of_are_read() -> None:
    data = [OrderedDict(a=1), MappingProxyType({"a": 2}), {"a": 3, 1: "x", None: "z"}]
    assert read(data) == [
        {"a": b"1", "1": None, "null": None},
        {"a": b"2", "1": None, "null": None},
        {"a": b"3", "1": b"x", "null": b"z"},
    ]


REFUSED: list[tuple[Any, str, bytes | None]] = [
    (7, "it is no dict", b"7"),
    ("text", "it is no dict", b"'text'"),
    (None, "it is no dict", b"None"),
    ([("a", 1)], "it is no dict", b"[('a', 1)]"),
    (BadRepr(), "it is no dict", b"<BadRepr>"),
    ("\ud800", "it is no dict", b"'\\ud800'"),
    ({"a": object}, "a value of type type", b"{'a': <class 'object'>}"),
    ({"a": {1, 2}}, "a value of type set", b"{'a': {1, 2}}"),
    ({"a": [b"x", {1}]}, "a value of type set", None),
    ({"a": 1 + 2j}, "a value of type complex", None),
    ({(1, 2): "x"}, "keys must be str", b"{(1, 2): 'x'}"),
    ({"a": "\ud800"}, "half of a surrogate pair", b"{'a': '\\ud800'}"),
    ({"a": 10**5000}, "cannot be written as JSON", None),
]


@cases(("element", "reason", "raw"), REFUSED, ids=lambda value: repr(type(value)))
def test_what_is_no_record_costs_only_itself(element: Any, reason: str, raw: bytes | None) -> None:
    data = [{"a": 1}, element, {"a": b"3"}]
    (batch,) = batches_of(data)
    assert batch.fields.to_pylist() == [{"a": b"1"}, {"a": b"3"}]
    assert batch.numbers is not None
    assert batch.numbers.to_pylist() == [0, 2]
    (reject,) = batch.rejects
    assert reason in reject.reason
    assert (reject.file, reject.record, reject.offset) == ("the list", 1, None)
    assert raw is None or reject.raw == raw


def test_what_is_nested_too_deeply_or_in_itself_is_refused() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    circle: dict[str, Any] = {}
    circle["a"] = circle
    deepish: Any = 1
    for _ in range(300):
        deepish = {"a": deepish}
    found = rejects([{"a": deep}, circle, {"a": deepish}, {"a": 1}])
    assert [reject.record for reject in found] == [0, 1, 2]
    assert "nested too deeply" in found[0].reason
    assert "Circular" in found[1].reason
    assert "nested deeper" in found[2].reason
    while isinstance(deep, list):  # or the interpreter takes it apart by recursion
        deep = deep.pop()


def test_a_long_repr_is_cut() -> None:
    (reject,) = rejects(["x" * 1_000_000])
    assert len(reject.raw) < 70_000


def test_records_without_end_are_read_as_they_come() -> None:
    def endless() -> Iterator[dict[str, int]]:
        number = 0
        while True:
            yield {"n": number}
            number += 1

    source = open_records(endless())
    blocks = source.blocks(10_000)
    some = [next(blocks) for _ in range(10)]
    assert source.nbytes is None
    assert source.fields is None
    assert all(block.payload is not None and len(block.payload) < 40_000 for block in some)
    assert len(some[-1].payload or b"") > 5_000
    for before, block in pairwise(some):
        assert block.start == before.stop
        assert (block.first_record or 0) > (before.first_record or 0)


def test_numbers_run_through_all_blocks() -> None:
    batches = batches_of(({"n": n} for n in range(5_000)), block_bytes=1_000)
    assert len(batches) > 20
    numbers = [
        number for batch in batches if batch.numbers is not None for number in batch.numbers.to_pylist()
    ]
    values = [int(record["n"]) for batch in batches for record in batch.fields.to_pylist()]
    assert numbers == values == list(range(5_000))


def test_big_records_make_blocks_of_few() -> None:
    source = open_records([{"x": "y" * 100_000}] * 500)
    sizes = [len(block.payload or b"") for block in source.blocks(1_000_000)]
    assert max(sizes[1:]) < 3_000_000


def test_a_list_can_be_read_again_and_a_generator_says_that_it_cannot() -> None:
    def blocks(source: RecordStream) -> list[Block]:
        return list(source.blocks(1 << 20))

    again = open_records([{"a": 1}])
    assert len(blocks(again)) == len(blocks(again)) == 1
    once = open_records(iter([{"a": 1}]))
    assert len(blocks(once)) == 1
    with pytest.raises(SourceError, match="gives its records once"):
        blocks(once)


@pytest.mark.parametrize(
    ("index", "raw"), [(0, b'{"a":1,"b":"/w=="}'), (1, b"'no record'"), (2, b'{"a":null}')]
)
def test_a_record_is_found_again(index: int, raw: bytes) -> None:
    source = open_records([{"a": 1, "b": b"\xff"}, "no record", {"a": math.nan}])
    (block,) = source.blocks(1 << 20)
    reject = source.open(ALL).originals(block, [index])[0]
    assert (reject.file, reject.record, reject.offset, reject.raw) == ("the list", index, None, raw)
    assert source.name_of(block) == "the list"


def test_only_the_parent_has_the_records() -> None:
    source = open_records([{"secret": "value"}] * 1000)
    assert len(pickle.dumps(source)) < 200
    assert "value" not in repr(source)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
)


def expected(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return value.encode()
    return repr(value).encode()


@examples(2.5)
@given(st.lists(st.fixed_dictionaries({"a": PLAIN, "b": PLAIN}), max_size=8), st.sampled_from([1, 1 << 20]))
def test_any_records_arrive_with_their_texts(data: list[dict[str, Any]], block_bytes: int) -> None:
    wrong = [index for index, one in enumerate(data) if any(has_surrogate(value) for value in one.values())]
    texts = [
        {name: expected(value) for name, value in one.items()}
        for index, one in enumerate(data)
        if index not in wrong
    ]
    batches = batches_of(data, block_bytes=block_bytes)
    assert [record for batch in batches for record in batch.fields.to_pylist()] == texts
    assert [reject.record for batch in batches for reject in batch.rejects] == wrong


def has_surrogate(value: Any) -> bool:
    return isinstance(value, str) and any(0xD800 <= ord(character) <= 0xDFFF for character in value)
