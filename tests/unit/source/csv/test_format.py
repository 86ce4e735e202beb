"""CSV files: headers, blocks into batches, records that are none."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any
from unittest import mock
from unittest.mock import DEFAULT

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import SourceError, UsageError
from etl.plan import Batch, Projection, Reject
from etl.source.csv.format import Csv
from etl.source.storage.local import find_files
from etl.source.text.files import Place, open_text_files
from tests.cases import cases
from tests.unit.source.csv_texts import SOUP, encoded, python_records, rfc_4180_texts

EVERYTHING = Projection(all=True)
AB = Csv(names=("a", "b"))


def place(offset: int = 0, first_record: int | None = 0) -> Place:
    return Place("x.csv", offset, first_record)


def parse(data: bytes, projection: Projection = EVERYTHING, format: Csv = AB) -> Batch:
    return format.parse(data, projection, place())


def records(batch: Batch) -> list[list[bytes | None]]:
    return [list(record.values()) for record in batch.fields.to_pylist()]


def listed(column: pa.Array | None) -> list[Any]:
    assert column is not None
    values: list[Any] = column.to_pylist()
    return values


# What a file begins with


@cases(
    ("format", "head", "names", "begin"),
    [
        (Csv(), b"id,name\n1,x\n", ("id", "name"), 8),
        (Csv(), b"id,name\r\n1,x\r\n", ("id", "name"), 9),
        (Csv(), b"id,name\r1,x\r", ("id", "name"), 8),
        (Csv(), b"id,name", ("id", "name"), 7),
        (Csv(), b"\xef\xbb\xbfid,name\n", ("id", "name"), 11),
        (Csv(), b"\n\r\nid,name\n", ("id", "name"), 11),
        (Csv(), b'"a,""b""\n",c\nx\n', ('a,"b"\n', "c"), 13),
        (Csv(), "größe, 😀\n".encode(), ("größe", " 😀"), 14),
        (Csv(delimiter="\t"), b"a,b\tc\n", ("a,b", "c"), 6),
        (Csv(quote="'"), b"'a,b',\"c\n", ("a,b", '"c'), 9),
        (Csv(quote=""), b'"a,b"\n', ('"a', 'b"'), 6),
        (Csv(header=False), b"x,y,z\n", ("1", "2", "3"), 0),
        (Csv(header=False), b"\xef\xbb\xbfx\n", ("1",), 3),
        (Csv(header=False), b'x,"y\n', ("1", "2"), 0),
        (Csv(names=("a",)), b"x,y,z\n", ("a",), 0),
        (Csv(names=("a",)), b"\xef\xbb\xbfx\n", ("a",), 3),
        (Csv(), b"", (), 0),
        (Csv(), b"\xef\xbb\xbf\r\n\n", (), 6),
    ],
)
def test_fields_are_named_by_the_header_or_by_the_options(
    format: Csv, head: bytes, names: tuple[str, ...], begin: int
) -> None:
    begun = format.begin(head, final=True, file="x.csv")
    assert begun is not None
    assert (begun[0].fields, begun[1]) == (names, begin)


@pytest.mark.parametrize("header", [b"id,name\n", b'\xef\xbb\xbf"id\n",name\r\n', b"\n\nid\r\n"])
def test_a_header_that_is_cut_short_is_waited_for(header: bytes) -> None:
    whole = Csv().begin(header + b"1,x", final=False, file="x.csv")
    for length in range(len(header)):
        assert Csv().begin(header[:length], final=False, file="x.csv") in (None, whole)
    assert whole is not None
    assert whole[1] == len(header)


@cases(
    ("head", "message"),
    [
        (b"a,b,a,c,b\n", r"x\.csv .* more than one field is named 'a', 'b'"),
        (b"a,,\n", r"more than one field is named ''"),
        (b"\xff\xfea\0,\0b\0\n\0", r"x\.csv is UTF-16 text: convert it"),
        (b"\xfe\xff\0a\0\n", r"x\.csv is UTF-16 text: convert it"),
        (b"a,\xff\n", r"not UTF-8.*--fields"),
        (b'a,"b\n1,2\n', r"x\.csv: a quote in the header .* is never closed"),
    ],
)
def test_a_file_that_cannot_be_csv_is_refused_with_what_to_do(head: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        Csv().begin(head, final=True, file="x.csv")


def test_a_header_without_an_end_is_not_searched_for_for_ever() -> None:
    assert Csv().begin(b'"' + b"x" * 1_000_000, final=False, file="x.csv") is None
    with pytest.raises(SourceError, match=r"x\.csv: the first record has no end in 20\.0 MB"):
        Csv().begin(b'"' + b"x" * 20_000_000, final=False, file="x.csv")


@cases(
    ("options", "message"),
    [
        ({"delimiter": ""}, "--delimiter"),
        ({"delimiter": ", "}, "--delimiter"),
        ({"delimiter": "\n"}, "--delimiter"),
        ({"delimiter": "¦"}, "--delimiter"),
        ({"quote": "''"}, "--quote"),
        ({"quote": "\0"}, "--quote"),
        ({"quote": ","}, "the same character"),
        ({"names": ("a", "b", "a")}, "--fields: more than one field is named 'a'"),
        ({"names": ("\udcff",)}, "--fields: a name is not UTF-8"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Csv(**options)  # type: ignore[arg-type]


def test_a_format_pickles() -> None:
    assert pickle.loads(pickle.dumps(AB)) == AB  # noqa: S301


# Records


@cases(
    ("text", "values"),
    [
        (b"007,1.10\n", [[b"007", b"1.10"]]),
        (b"12345678901234567890,1e5", [[b"12345678901234567890", b"1e5"]]),
        (b"NULL,NaN\ntrue,2024-01-01\n", [[b"NULL", b"NaN"], [b"true", b"2024-01-01"]]),
        (b" x ,\t\n", [[b" x ", b"\t"]]),
        (b',\n"",""\n', [[b"", b""], [b"", b""]]),
        (b'"a\nb","c\r\nd"\n', [[b"a\nb", b"c\r\nd"]]),
        (b'"a""b","""\n"""\n', [[b'a"b', b'"\n"']]),
        (b"\0,\xff\xfe\n", [[b"\0", b"\xff\xfe"]]),
        (b"\xef\xbb\xbfa,b\n", [[b"\xef\xbb\xbfa", b"b"]]),
        (b'5" pipe,a "b" c\n', [[b'5" pipe', b'a "b" c']]),
        (b'"a" b,"c"d"e"\n', [[b"a b", b'cd"e"']]),
        (b"a,b\rc,d\r", [[b"a", b"b"], [b"c", b"d"]]),
        (b"x,y", [[b"x", b"y"]]),
        (b"x,x\nx,x", [[b"x", b"x"], [b"x", b"x"]]),
        (b"a,{b}\n\n\n\r\n{#},}\n", [[b"a", b"{b}"], [b"{#}", b"}"]]),
        (b"", []),
    ],
)
def test_values_are_the_text_of_the_source(text: bytes, values: list[list[bytes]]) -> None:
    batch = parse(text)
    assert records(batch) == values
    assert batch.fields.schema.types == [pa.binary(), pa.binary()]
    assert batch.rejects == ()


@cases(("delimiter", "quote"), [("\t", '"'), ("|", "'"), (" ", ""), ("x", "y"), ("x", '"')])
def test_any_character_may_separate_or_quote(delimiter: str, quote: str) -> None:
    format = Csv(delimiter=delimiter, quote=quote, names=("a", "b"))
    data = f"1{delimiter}{quote}2{quote}\n".encode()
    assert records(parse(data, format=format)) == [[b"1", b"2"]]


def test_one_field_may_be_empty_when_it_is_quoted_but_a_blank_line_is_no_record() -> None:
    assert records(parse(b'""\n\nx\n', format=Csv(names=("a",)))) == [[b""], [b"x"]]


@given(
    st.sampled_from([",", ";", "\t"]).flatmap(
        lambda delimiter: st.tuples(st.just(delimiter), rfc_4180_texts(fields=3, delimiter=delimiter))
    ),
    st.integers(1, 60),
)
def test_records_of_any_rfc_4180_file_are_pythons_whatever_the_blocks(
    written: tuple[str, tuple[list[list[str]], bytes]], block_bytes: int
) -> None:
    delimiter, (wrote, data) = written
    format = Csv(delimiter=delimiter, names=("a", "b", "c"))
    batches = blocks_of(data, format, EVERYTHING, block_bytes)
    assert [record for batch in batches for record in records(batch)] == encoded(wrote)
    assert [number for batch in batches for number in listed(batch.numbers)] == list(range(len(wrote)))
    assert not any(batch.rejects for batch in batches)


@given(SOUP, st.integers(1, 60), st.integers(1, 3), st.sampled_from(['"', ""]))
@example('5" pipe,"a\nb"\n"c" d,e\rf,"g', 7, 2, '"')
def test_records_of_any_text_are_pythons_or_rejects_whatever_the_blocks(
    text: str, block_bytes: int, fields: int, quote: str
) -> None:
    data = text.encode()
    format = Csv(quote=quote, names=tuple("abc"[:fields]))
    batches = blocks_of(data, format, Projection(all=True, line=True), block_bytes)
    told = {number: values for batch in batches for number, values in numbered(batch)}
    rejects = [reject for batch in batches for reject in batch.rejects]
    refused = {reject.record for reject in rejects if reject.record is not None}
    expected = python_records(data, format)
    assert sorted([*told, *refused]) == list(range(len(expected)))
    for number, record in enumerate(expected):
        if number in told:
            assert told[number] == [value.encode("latin-1") for value in record]
        else:
            assert len(record) != fields or (number == len(expected) - 1 and '"' in text)
    for reject in rejects:
        assert reject.offset is not None
        assert data.startswith(reject.raw, reject.offset)
    lines = [line for batch in batches for line in listed(batch.line)]
    originals = dict(zip(sorted(told), lines, strict=True))
    originals |= {reject.record: reject.raw for reject in rejects if reject.record is not None}
    for number, raw in originals.items():
        assert python_records(raw, format) == [expected[number]]


@given(st.binary() | SOUP.map(str.encode), st.integers(1, 60), st.booleans(), st.booleans())
@example(b"a,b\n\xff\n\xff,\xff", 99, True, True)
@example(b"a,b\n\0\n\0,\0\r\0", 99, False, False)
def test_no_bytes_whatsoever_are_too_much(
    data: bytes, block_bytes: int, header: bool, omit_empty: bool
) -> None:
    try:
        begun = Csv(header=header).begin(data, final=True, file="x.csv")
    except SourceError:
        return
    assert begun is not None
    format, begin = begun
    assert isinstance(format, Csv)
    projection = Projection(all=True, json=True, line=True, omit_empty=omit_empty)
    body = data[begin:]
    counted = format.scan(body, final=True)[1]
    batches = blocks_of(body, format, projection, block_bytes)
    assert sum(len(batch) + len(batch.rejects) for batch in batches) == counted
    for batch in batches:
        for text, record in zip(listed(batch.json), batch.fields.to_pylist(), strict=True):
            assert json.loads(text) == {
                name: value.decode() for name, value in record.items() if value is not None
            }
        assert len(listed(batch.line)) == len(listed(batch.numbers)) == len(batch)


# Records that are none


def test_a_record_with_a_wrong_number_of_fields_costs_no_other() -> None:
    batch = AB.parse(b"1,2\n3\n\n4,5\r\n6,7,8\r\n9,0", EVERYTHING, place(100, 10))
    assert records(batch) == [[b"1", b"2"], [b"4", b"5"], [b"9", b"0"]]
    assert listed(batch.numbers) == [10, 12, 14]
    assert batch.rejects == (
        Reject("x.csv", 11, 104, "it has 1 field instead of 2", b"3"),
        Reject("x.csv", 13, 112, "it has 3 fields instead of 2", b"6,7,8"),
    )


@cases("tail", [b'"', b'3,"', b'3,"4\n', b'3,"x', b'x,"\nx,x', b'3,"4""', b'"3,4\n5,6'])
def test_a_quote_that_is_never_closed_is_one_reject(tail: bytes) -> None:
    batch = AB.parse(b"1,2\n" + tail, EVERYTHING, place(7, None))
    assert records(batch) == [[b"1", b"2"]]
    assert batch.rejects == (Reject("x.csv", None, 11, "a quote is opened and never closed", tail),)
    assert batch.numbers is None


@pytest.mark.parametrize("wanted", ["a", "b"])
def test_a_quote_that_is_never_closed_is_noticed_in_fields_that_nobody_wants(wanted: str) -> None:
    batch = parse(b'1,2\n3,"4\n', Projection(names=frozenset(wanted)))
    assert len(batch) == len(batch.rejects) == 1


def test_bytes_that_are_no_text_reach_a_field_but_no_json() -> None:
    batch = parse(b"1,2\n3\n\xff,4\n5,6\n", Projection(all=True, json=True, line=True))
    assert records(batch) == [[b"1", b"2"], [b"5", b"6"]]
    assert listed(batch.json) == [b'{"a":"1","b":"2"}', b'{"a":"5","b":"6"}']
    assert listed(batch.line) == [b"1,2", b"5,6"]
    assert listed(batch.numbers) == [0, 3]
    assert [(reject.record, reject.offset, reject.raw) for reject in batch.rejects] == [
        (1, 4, b"3"),
        (2, 6, b"\xff,4"),
    ]
    assert "'a' is not UTF-8" in batch.rejects[1].reason


@given(SOUP)
def test_a_record_is_found_again_by_its_number(text: str) -> None:
    data = text.encode()
    for index, expected in enumerate(python_records(data, AB)):
        (original,) = AB.originals(data, [index], place(50, 20))
        assert (original.file, original.record, original.reason) == ("x.csv", 20 + index, "")
        assert python_records(original.raw, AB) == [expected]
        assert original.offset is not None
        assert data.startswith(original.raw, original.offset - 50)


# What of a record is wanted


def test_only_wanted_fields_are_given_and_under_their_new_names() -> None:
    format = Csv(names=("a", "b", "c", "d"))
    projection = Projection(
        names=frozenset({"key"}),
        all=True,
        json=True,
        include=("b", "c"),
        exclude=("c",),
        rename=(("a", "key"), ("b", "bee")),
    )
    batch = parse(b"1,2,3,4\n5,,7,8\n", projection, format)
    assert batch.fields.to_pylist() == [{"key": b"1", "bee": b"2"}, {"key": b"5", "bee": b""}]
    assert batch.spread == ("bee",)
    assert listed(batch.json) == [b'{"bee":"2"}', b'{"bee":""}']


def test_an_empty_field_is_left_out_where_that_is_asked() -> None:
    batch = parse(b'1,""\n,2\n', Projection(all=True, json=True, omit_empty=True))
    assert records(batch) == [[b"1", None], [None, b"2"]]
    assert listed(batch.json) == [b'{"a":"1"}', b'{"b":"2"}']


def test_records_are_counted_where_no_field_is_wanted() -> None:
    batch = parse(b'1,2\n"3\n",4\n5\n', Projection(line=True))
    assert (len(batch), len(batch.rejects), batch.fields.num_columns) == (2, 1, 0)
    assert listed(batch.line) == [b"1,2", b'"3\n",4']
    assert len(parse(b"1,2\n3,4", Projection())) == 2


def test_a_signal_that_is_only_noted_costs_no_block() -> None:
    read_csv = pyarrow.csv.read_csv
    with mock.patch.object(
        pyarrow.csv, "read_csv", side_effect=[pa.ArrowCancelled("", 2), DEFAULT]
    ) as patched:
        patched.return_value = read_csv(
            pa.BufferReader(b"a,b\n1,2\nx,x\n"),
            convert_options=pyarrow.csv.ConvertOptions(column_types={"a": pa.binary(), "b": pa.binary()}),
        )
        assert records(parse(b"1,2\n")) == [[b"1", b"2"]]
    assert patched.call_count == 2


def test_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,name\n" + "".join(f'{n},"x\n{n}"\n' for n in range(50)))
    (tmp_path / "2.csv").write_text('name,id\n5" pipe,50\nlast,51')
    (tmp_path / "3.csv").write_text("")
    source = open_text_files(find_files([str(tmp_path)]), Csv())
    assert source.fields == ("id", "name")
    reader = source.open(Projection(names=frozenset({"id"}), line=True))
    batches = [batch for block in source.blocks(64) for batch in reader.read(block)]
    assert len(batches) > 5
    ids = [value for batch in batches for value in batch.fields.column("id").to_pylist()]
    assert ids == [str(n).encode() for n in range(52)]
    lines = [line for batch in batches for line in listed(batch.line)]
    assert lines[48:] == [b'48,"x\n48"', b'49,"x\n49"', b'5" pipe,50', b"last,51"]
    reader.close()


@pytest.mark.parametrize("rename", [(("a", "b"),), (("a", "c"), ("b", "c"))])
def test_two_fields_that_would_have_one_name_are_an_error(rename: tuple[tuple[str, str], ...]) -> None:
    format = Csv(",", '"', ("a", "b"))
    with pytest.raises(SourceError, match=r": two fields would be named '[bc]': rename the other"):
        format.parse(b"1,2\n", Projection(all=True, rename=rename), place())
    exchanged = Projection(all=True, rename=(("a", "b"), ("b", "a")))
    assert format.parse(b"1,2\n", exchanged, place()).fields.to_pydict() == {"b": [b"1"], "a": [b"2"]}
    without = Projection(all=True, rename=(("a", "b"),), exclude=("b",))
    assert format.parse(b"1,2\n", without, place()).fields.to_pydict() == {"b": [b"1"]}


def blocks_of(data: bytes, format: Csv, projection: Projection, block_bytes: int) -> list[Batch]:
    """Cut the data as a source does, and parse each block."""
    batches = []
    start = first_record = 0
    nominal = block_bytes
    while start < len(data):
        stop = min(start + nominal, len(data))
        length, count = format.scan(data[start:stop], final=stop == len(data))
        if length:
            batch = format.parse(data[start : start + length], projection, place(start, first_record))
            assert len(batch) + len(batch.rejects) == count
            batches.append(batch)
            start += length
            first_record += count
            nominal = block_bytes
        else:
            nominal *= 2
    return batches


def numbered(batch: Batch) -> list[tuple[int, list[bytes | None]]]:
    return list(zip(listed(batch.numbers), records(batch), strict=True))
