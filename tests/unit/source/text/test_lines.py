"""Lines: their bytes as they are, whatever the bytes; counted, parsed and found again."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from etl.plan import Projection, Reject
from etl.source.text.files import Place
from etl.source.text.lines import Lines, split_lines, strip
from tests.cases import cases
from tests.unit.given import lines_of

PIECES = [b"\n", b"\r\n", b"\r", b"", b" ", b"\t", b"a", b"word", b"\0", b"\xff\xfe", "ü€😀".encode()]
CONTENT = st.binary(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
TEXT = st.text(
    st.sampled_from("a\n\r\t \x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000\ufeff\u200b\u180e0"),
    max_size=40,
)


@cases(
    ("content", "records"),
    [
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\r", [b"a\r"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"\n", [b""]),
        (b"\n\n\n", [b"", b"", b""]),
        (b"\r\n", [b""]),
        (b"\r\n\r\n", [b"", b""]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\n\n", [b"a", b""]),
        (b"a\0b\n\0\n", [b"a\0b", b"\0"]),
        (b"\xff\xfe\n\xc3\n", [b"\xff\xfe", b"\xc3"]),
        (b"\xef\xbb\xbfa\n", [b"\xef\xbb\xbfa"]),
        (b" a \n\ta\n", [b" a ", b"\ta"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\n", [b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e"]),
        (b"*1\r\n$8\r\nFLUSHALL\r\n", [b"*1", b"$8", b"FLUSHALL"]),
    ],
)
def test_a_record_is_a_line_without_its_terminator(content: bytes, records: list[bytes]) -> None:
    assert split_lines(content).to_pylist() == records
    assert lines_of(content) == records  # the reference that the other tests use


@given(CONTENT.filter(len))
def test_any_bytes_are_split_as_the_reference_splits_them(content: bytes) -> None:
    lines = split_lines(content)
    assert lines.to_pylist() == lines_of(content)
    assert lines.type == pa.binary()


@given(TEXT)
@example("\x1ca\x1c")
def test_strip_is_that_of_str(text: str) -> None:
    lines = text.split("\n")
    array = pa.array([line.encode() for line in lines], pa.binary())
    assert strip(array).to_pylist() == [line.strip().encode() for line in lines]


def test_strip_takes_off_the_very_characters_that_str_takes_off() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    stripped = strip(pa.array([f"{character}.".encode() for character in characters], pa.binary()))
    assert {
        character for character, line in zip(characters, stripped.to_pylist(), strict=True) if line == b"."
    } == {character for character in characters if character.isspace()}


@cases(
    ("line", "stripped"),
    [
        (b" \xff a \xff \n", b"\xff a \xff"),
        (b"\xc3 ", b"\xc3"),
        (b"\xc2\xa0a\xff", b"a\xff"),
        (b" a ", b"a"),
        (b" \xa0", b"\xa0"),
        (b"", b""),
    ],
)
def test_strip_keeps_bytes_that_are_no_utf8(line: bytes, stripped: bytes) -> None:
    # The second element makes Arrow refuse the batch as text, whatever the first one is.
    assert strip(pa.array([line, b"\xff"], pa.binary())).to_pylist() == [stripped, b"\xff"]


@given(CONTENT, st.booleans())
def test_scan_gives_the_bytes_of_whole_lines_and_counts_them(content: bytes, final: bool) -> None:
    length, records = Lines().scan(content, final=final)
    whole = content if final else content[: content.rfind(b"\n") + 1]
    assert (length, records) == (len(whole), len(lines_of(whole)))


def test_nothing_is_whole_before_its_line_break_has_come_unless_nothing_follows() -> None:
    assert Lines().scan(b"abc", final=False) == (0, 0)
    assert Lines().scan(b"abc\r", final=False) == (0, 0)
    assert Lines().scan(b"abc", final=True) == (3, 1)
    assert Lines().scan(b"", final=True) == (0, 0)


def test_lines_begin_at_the_first_byte_whatever_it_is() -> None:
    for head in (b"", b"\xef\xbb\xbfa", b"\xff\xfea\0"):
        assert Lines(strip=True).begin(head, final=False, file="f") == (Lines(strip=True), 0)


LINE = frozenset({"line"})


@cases(
    ("projection", "names", "spread", "line"),
    [
        (Projection(names=LINE), ["line"], ("line",), None),
        (Projection(names=LINE, line=True), ["line"], ("line",), [b"a", b"", b"b"]),
        (Projection(all=True, exclude=("line",)), ["line"], (), None),
        (Projection(all=True, include=("other",)), ["line"], (), None),
        (Projection(all=True, rename=(("line", "text"),)), ["text"], ("text",), None),
    ],
)
def test_a_batch_has_the_lines_under_the_name_that_is_wanted(
    projection: Projection, names: list[str], spread: tuple[str, ...], line: Any
) -> None:
    batch = Lines().parse(b"a\r\n\nb", projection, Place("f", 10, 7))
    assert batch.fields.schema == pa.schema([(name, pa.binary()) for name in names])
    assert batch.fields.column(0).to_pylist() == [b"a", b"", b"b"]
    assert batch.spread == spread
    assert batch.numbers is not None
    assert (batch.numbers.type, batch.numbers.to_pylist()) == (pa.int64(), [7, 8, 9])
    assert (None if batch.line is None else batch.line.to_pylist()) == line
    assert (batch.json, batch.rejects, len(batch)) == (None, (), 3)


def test_records_that_nobody_counted_have_no_numbers() -> None:
    assert Lines().parse(b"a\nb\n", Projection(names=LINE), Place("f", 0, None)).numbers is None
    assert Lines().originals(b"a\nb\n", [1], Place("f", 5, None)) == [Reject("f", None, 7, "", b"b")]


@given(CONTENT.filter(len), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_every_line_is_found_again_with_its_number_and_offset(
    content: bytes, offset: int, first: int
) -> None:
    for index, line in enumerate(lines_of(content)):
        (reject,) = Lines(strip=True).originals(content, [index], Place("f", offset, first))
        assert (reject.file, reject.record, reject.reason) == ("f", first + index, "")
        assert reject.offset is not None
        start = reject.offset - offset
        assert len(lines_of(content[:start])) == index
        assert not start or content[start - 1] == ord("\n")
        assert content.startswith(reject.raw, start)
        assert reject.raw == line


def test_lines_pickle() -> None:
    assert pickle.loads(pickle.dumps(Lines(strip=True))) == Lines(strip=True)  # noqa: S301 - our own
