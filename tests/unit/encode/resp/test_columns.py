"""Columns by the names that templates use, and which records lack what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.columns import Columns, split, survivors
from etl.encode.resp.protocol import text_column
from etl.plan import Refusal
from tests.unit.encode.given import batch_of, template


def texts(text: str, columns: Columns) -> list[bytes | None]:
    values: list[bytes | None] = text_column(columns.pieces(template(text)), columns.records).to_pylist()
    return values


def test_a_template_is_its_literals_and_columns() -> None:
    batch = batch_of(
        {"a": [b"1", b"2"], "b.c": [b"x", b"y"]}, first=10**12, line=[b"l", b"m"], json=[b"{}", b"[]"]
    )
    columns = Columns(batch)
    assert texts("{{{a}}}:{b.c}", columns) == [b"{1}:x", b"{2}:y"]
    assert texts("{#}", columns) == [b"1000000000000", b"1000000000001"]
    assert texts("{line}{json}", columns) == [b"l{}", b"m[]"]
    assert texts("", columns) == [b"", b""]


def test_a_field_named_line_or_json_hides_what_the_name_stands_for_but_a_number_is_a_number() -> None:
    batch = batch_of({"line": [b"a"], "json": [b"b"], "#": [b"c"]}, line=[b"x"], json=[b"y"])
    assert texts("{line}{json}{#}", Columns(batch)) == [b"ab0"]


def test_what_nobody_read_is_not_there() -> None:
    columns = Columns(batch_of({"a": [b"1"]}, first=None))
    assert [columns.column(name) for name in ("line", "json", "#", "b")] == [None] * 4
    assert columns.members("a") is None


MEMBERS = st.lists(
    st.none() | st.lists(st.none() | st.binary(max_size=3), max_size=4), min_size=1, max_size=9
)


@given(MEMBERS, st.integers(0, 3))
def test_null_members_of_an_array_are_left_out(lists: list[list[bytes | None] | None], start: int) -> None:
    batch = batch_of({"x[]": lists})
    assert batch.numbers is not None
    batch = batch.take(batch.numbers[start:])
    members = Columns(batch).members("x")
    assert members is not None
    assert [one or [] for one in members.to_pylist()] == [
        [member for member in one or () if member is not None] for one in lists[start:]
    ]


def test_every_record_has_a_number_where_numbers_are_known_and_none_has_where_they_are_not() -> None:
    fields: dict[str, list[bytes | None]] = {"a": [b"1", b"2"], "#": [None, b"x"]}
    known, unknown = batch_of(fields, first=7), batch_of(fields, first=None)
    assert split(known, [template("{#}:{a}")]) == (known, [])
    assert split(unknown, [template("{#}:{a}")])[1] == [Refusal(n, "it has no field {#}") for n in range(2)]


def test_records_that_lack_a_field_are_refused_and_the_others_keep_their_order() -> None:
    batch = batch_of(
        {"a": [b"1", None, b"3", None, b"5"], "b": [b"", b"x", None, None, b"y"]}, first=None, line=[b"l"] * 5
    )
    good, refusals = split(batch, [template("{a}:{b}"), template("const"), template("{line}")])
    assert good.fields.to_pydict()["a"] == [b"1", b"5"]
    assert (len(good), good.numbers) == (2, None)
    assert refusals == [
        Refusal(1, "it has no field {a}"),
        Refusal(2, "it has no field {b}"),
        Refusal(3, "it has no field {a}"),
    ]


@pytest.mark.parametrize("name", ["nosuch", "line", "json", "#"])
def test_a_column_that_is_not_there_refuses_all(name: str) -> None:
    good, refusals = split(batch_of({"a": [b"1", b"2"]}, first=None), [template(f"{{{name}}}")])
    assert len(good) == 0
    assert refusals == [Refusal(index, f"it has no field {{{name}}}") for index in range(2)]


def test_a_batch_that_lacks_nothing_is_given_as_it_is() -> None:
    batch = batch_of({"a": [b"1"], "b": [None]})
    assert split(batch, [template("{a}"), template("{*}")]) == (batch, [])


def test_a_batch_of_lines_without_fields_can_lose_records() -> None:
    batch = batch_of(line=[b"a", b"b", b"c"], json=[b"1", None, b"3"])
    good, refusals = split(batch, [template("{json}")])
    assert (len(good), [refusal.index for refusal in refusals]) == (2, [1])
    assert texts("{#}={line}", Columns(good)) == [b"0=a", b"2=c"]


def test_what_has_to_be_a_number_is_looked_at_where_it_can_differ() -> None:
    batch = batch_of({"ttl": [b"5", b"x", None, b"0"]})
    good, refusals = split(batch, [template("{ttl}")], integers=[template("60"), template("{ttl}")])
    assert good.fields.to_pydict() == {"ttl": [b"5"]}
    assert [refusal.reason for refusal in refusals] == [
        "its expiry is no positive whole number",
        "it has no field {ttl}",
        "its expiry is no positive whole number",
    ]


def test_an_expiry_that_no_record_has_refuses_all_and_breaks_nothing() -> None:
    batch = batch_of({"a": [b"1"]})
    assert split(batch, [template("{ttl}")], integers=[template("{ttl}")])[1] == [
        Refusal(0, "it has no field {ttl}")
    ]


def test_an_expiry_of_the_record_s_number_is_no_expiry_for_record_0() -> None:
    good, refusals = split(batch_of({"a": [b"1", b"2"]}), [template("{#}")], integers=[template("{#}")])
    assert (len(good), [refusal.index for refusal in refusals]) == (1, [0])


def test_refusals_from_elsewhere_are_added_once_and_in_order() -> None:
    batch = batch_of({"a": [b"1", None, b"3"]})
    more = [Refusal(2, "two"), Refusal(1, "one"), Refusal(2, "two again")]
    good, refusals = split(batch, [template("{a}")], more=more)
    assert good.fields.to_pydict() == {"a": [b"1"]}
    assert refusals == [Refusal(1, "it has no field {a}"), Refusal(2, "two")]


@given(st.integers(0, 20), st.sets(st.integers(0, 20)))
def test_survivors_are_where_they_stood(records: int, refused: set[int]) -> None:
    assert survivors(records, refused) == sorted(set(range(records)) - refused)


def test_a_record_whose_key_has_only_empty_fields_is_refused() -> None:
    batch = batch_of({"a": [b"1", b"", b"", None], "b": [b"", b"2", b"", b""]})
    reasons = {
        "k:{a}": {1: "its key is empty: {a} has no text", 2: "its key is empty: {a} has no text"},
        "{a}{b}{a}": {2: "its key is empty: {a} and {b} have no text"},
        "{a}:{#}": {},
        "constant": {},
    }
    for key, refused in reasons.items():
        _, refusals = split(batch, [template(key)], keys=[template(key)])
        assert {refusal.index: refusal.reason for refusal in refusals if refusal.index != 3} == refused
