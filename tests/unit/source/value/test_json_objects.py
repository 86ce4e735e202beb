"""Records as JSON objects, without a loop."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.source.value.json_objects import not_text, object_texts

TEXTS = st.text(st.sampled_from('ab"\\/\n\t\0\x1f\x7f{}é😀') | st.characters(codec="utf-8"), max_size=8)


@given(
    st.lists(TEXTS, min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(
            st.just(names),
            st.lists(
                st.lists(st.none() | TEXTS, min_size=len(names), max_size=len(names)), min_size=1, max_size=5
            ),
        )
    )
)
def test_an_object_is_read_back_as_what_was_written(table: tuple[list[str], list[list[str | None]]]) -> None:
    names, rows = table
    columns = [
        pa.array([cell and cell.encode() for cell in column], pa.binary())
        for column in zip(*rows, strict=True)
    ]
    texts = object_texts(names, columns, len(rows))
    assert texts.type == pa.binary()
    assert [json.loads(text) for text in texts.to_pylist()] == [
        {name: cell for name, cell in zip(names, row, strict=True) if cell is not None} for row in rows
    ]


def test_members_stand_in_order_without_spaces() -> None:
    columns = [pa.array([b"1", None]), pa.array([None, b'"']), pa.array([b"", None])]
    assert object_texts(["b", "a", "c"], columns, 2).to_pylist() == [b'{"b":"1","c":""}', b'{"a":"\\""}']


def test_a_part_of_a_column_is_written_as_that_part() -> None:
    column = pa.array([b'"', b"x", b"y", b"\n"]).slice(1, 2)
    assert object_texts(["a"], [column], 2).to_pylist() == [b'{"a":"x"}', b'{"a":"y"}']


def test_records_without_fields_are_empty_objects() -> None:
    assert object_texts([], [], 2).to_pylist() == [b"{}", b"{}"]


def test_values_that_are_no_utf_8_are_told() -> None:
    assert not_text(pa.array([b"a", b"\xff", None, b"\xed\xa0\x80", "é".encode()])) == [1, 3]
    assert not_text(pa.array([b"a", None], pa.binary())) == []
