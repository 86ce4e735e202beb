"""Record ends in CSV text: by counting quotes where that is exact, by walking where it is not."""

from __future__ import annotations

import itertools
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.source.csv import quotes
from etl.source.csv.format import Csv
from etl.source.csv.quotes import Dialect, Span, scan_records, split_records, walk
from tests.cases import cases
from tests.unit.source.csv_texts import SOUP, python_records, rfc_4180_texts

COMMA = Dialect(b",", b'"')
UNQUOTED = Dialect(b",", b"")


@cases(
    ("data", "not_final", "final"),
    [
        (b"", (0, 0), (0, 0)),
        (b"a", (0, 0), (1, 1)),
        (b"a\nb", (2, 1), (3, 2)),
        (b"a\r\nb\r\n", (6, 2), (6, 2)),
        (b"a\r\nb\r", (3, 1), (5, 2)),
        (b"a\rb\n", (4, 2), (4, 2)),
        (b"\n\na\n\n\nb\n\n", (9, 2), (9, 2)),
        (b"\r\n\r\na\r\n\r\n", (9, 1), (9, 1)),
        (b"\n\r\na\n\r\n\nb", (8, 1), (9, 2)),
        (b"\n", (1, 0), (1, 0)),
        (b'"a\nb"\nc', (6, 1), (7, 2)),
        (b'"a\r\nb"\r\nc', (8, 1), (9, 2)),
        (b'"a\n\nb"\n\n', (8, 1), (8, 1)),
        (b'a,"b""\n""",c\n', (13, 1), (13, 1)),
        (b'""\n"""\n"""\n', (11, 2), (11, 2)),
        (b'a\n"b\nc\n', (2, 1), (7, 2)),
        (b'5" pipe,a\n"b\nc"\n', (16, 2), (16, 2)),
        (b'a,"b"x\n"c\n', (7, 1), (10, 2)),
        (b'a "b\nc" d\n', (10, 2), (10, 2)),
    ],
)
def test_whole_records_end_at_line_breaks_outside_of_quotes(
    data: bytes, not_final: tuple[int, int], final: tuple[int, int]
) -> None:
    assert scan_records(data, COMMA, final=False) == not_final
    assert scan_records(data, COMMA, final=True) == final


@pytest.mark.parametrize("window_bytes", [1, 3])
def test_every_short_text_is_cut_where_python_ends_its_records(window_bytes: int) -> None:
    with mock.patch.object(quotes, "_WINDOW_BYTES", window_bytes):
        for length in range(6):
            for codes in itertools.product(b'a,"\n\r', repeat=length):
                data = bytes(codes)
                records = python_records(data, Csv())
                assert scan_records(data, COMMA, final=True) == (length, len(records)), data
                cut, count = scan_records(data, COMMA, final=False)
                before, behind = python_records(data[:cut], Csv()), python_records(data[cut:], Csv())
                assert len(before) == count, data
                assert before + behind == records, data


@given(SOUP, st.integers(1, 40), st.integers(1, 9))
@example('"\r\n"\n', 1, 1)
@example('a,"b\n""c"\n5" d\n', 6, 2)
def test_any_text_is_cut_into_the_records_python_reads(
    text: str, block_bytes: int, window_bytes: int
) -> None:
    data = text.encode()
    with mock.patch.object(quotes, "_WINDOW_BYTES", window_bytes):
        blocks = cut(data, block_bytes)
    assert b"".join(block for block, _ in blocks) == data
    read = [python_records(block, Csv()) for block, _ in blocks]
    assert [len(records) for records in read] == [count for _, count in blocks]
    assert list(itertools.chain(*read)) == python_records(data, Csv())


@given(rfc_4180_texts(fields=3), st.integers(1, 9))
def test_text_by_the_letter_of_the_rfc_is_never_walked(
    written: tuple[list[list[str]], bytes], window_bytes: int
) -> None:
    records, data = written
    with (
        mock.patch.object(quotes, "_WINDOW_BYTES", window_bytes),
        mock.patch.object(quotes, "walk", side_effect=AssertionError("walked")),
    ):
        assert scan_records(data, COMMA, final=True) == (len(data), len(records))
        assert scan_records(data, COMMA, final=False)[1] in (len(records), len(records) - 1)


@given(SOUP)
@example('a\n\n"b\r\n"\r\n\r\n"c"')
def test_records_keep_their_original_text(text: str) -> None:
    data = text.encode()
    spans = list(walk(data, COMMA))
    if spans and not spans[-1].closed:  # such a record is never asked for
        data = data[: spans.pop().start]
    assert split_records(data, COMMA).to_pylist() == [data[span.start : span.stop] for span in spans]


@given(SOUP)
def test_walking_counts_the_fields_python_reads(text: str) -> None:
    data = text.encode()
    assert [span.fields for span in walk(data, COMMA)] == [len(row) for row in python_records(data, Csv())]


@given(SOUP)
def test_without_quoting_a_quote_is_a_character_like_any_other(text: str) -> None:
    data = text.encode()
    records = python_records(data, Csv(quote=""))
    assert scan_records(data, UNQUOTED, final=True) == (len(data), len(records))
    assert [span.fields for span in walk(data, UNQUOTED)] == [len(record) for record in records]
    assert len(split_records(data, UNQUOTED)) == len(records)


def test_a_quote_that_is_never_closed_is_said_to_be_open() -> None:
    assert list(walk(b'a\nb,"c\nd""', COMMA)) == [Span(0, 1, 1, True), Span(2, 10, 2, False)]


def test_a_record_longer_than_a_window_is_counted_once() -> None:
    record = b'a,"' + b'x\n""' * 100 + b'"\n'
    with mock.patch.object(quotes, "_WINDOW_BYTES", 64):
        assert scan_records(record * 2, COMMA, final=False) == (2 * len(record), 2)
        assert scan_records(record * 2 + record[:-2], COMMA, final=False) == (2 * len(record), 2)


def cut(data: bytes, block_bytes: int) -> list[tuple[bytes, int]]:
    """Cut as a source does: blocks of about a size, longer where a record is."""
    blocks = []
    start = 0
    nominal = block_bytes
    while start < len(data):
        stop = min(start + nominal, len(data))
        length, records = scan_records(data[start:stop], COMMA, final=stop == len(data))
        if length:
            blocks.append((data[start : start + length], records))
            start += length
            nominal = block_bytes
        else:
            nominal *= 2
    return blocks
