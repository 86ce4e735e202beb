"""Blocks of JSON lines that all have one layout, made into columns without an object a record.

Most JSONL is written by a program, record after record in one layout: the same fields in the same order with
the same white space. Then ``"`` cuts each line into the same number of tokens, of which some are the same in
every line and the others are the values; and Arrow's CSV parser, told that ``"`` is the delimiter, cuts a
whole block so in one call: 0.6 us a record of six fields instead of 2.3 us by ``json``.

NOTE(layout): the block's first line gives the layout, and nothing is believed of it that is not found in all
of the others: each token between values is compared, each number and word is matched against RFC 8259, and
the strings are UTF-8 without control characters. So what is accepted is what ``json`` would have read, field
for field (a hypothesis test compares the two). Everything else is left to ``json_records``, the whole block
of it: other fields or another order in some record, a nested value, a name twice, a string where others have
a number, a blank line, CRLF, tabs, anything malformed; and projections that look into values (``{tags[]}``)
or write objects anew (``{json}`` without some fields).

NOTE(standins): where no control character is in the text but line breaks, they can stand for what would
spoil the cutting: escaped quotes and backslashes, and a ``null`` where others have a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from etl.plan import Batch, Projection
from etl.source.json.columns import changes, spread_names
from etl.source.text.arrow_csv import one_array, read_table
from etl.source.text.format import Origin
from etl.source.text.lines import split_lines
from etl.source.text.numbering import number_column
from etl.source.text.wide import require_narrow
from etl.template import JSON, LINE

_BINARY = pa.binary()
_NULL = pa.scalar(None, _BINARY)
_MOST_FIELDS = 512  # Arrow's parser takes long to set up a column
_ABSENT = b"\x01"
_BACKSLASH = b"\x02"  # behind a backslash
_QUOTE = b"\x03"  # behind a backslash

_OPENING = re.compile(rb"\{ *")
_MEMBER = re.compile(
    rb'"(?P<name>[^"]*)"(?P<colon> *: *)'
    rb'(?:"[^"]*"|(?P<literal>[^" ,:{}\[\]]+))(?P<end> *(?:, *(?=")|\}$))'
)
_LITERAL = rb"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false|null)"


class _OtherLayoutError(Exception):
    """The block is not of one flat layout."""


def parse_flat(data: bytes, projection: Projection, origin: Origin) -> Batch | None:
    """Parse lines of one flat layout; None: they are not, or the projection wants more. Raises WideError."""
    if projection.lists or (projection.json and changes(projection)):
        return None
    try:
        columns = _columns(data)
    except _OtherLayoutError:
        return None
    if projection.rename and len(set(map(projection.new_name, columns))) < len(columns):
        return None
    lines = split_lines(data) if projection.line or projection.json else None
    return _batch(columns, lines, projection, origin)


@dataclass(frozen=True, slots=True)
class _Member:
    """A field's place in the layout: what stands between its name and its value, and behind that."""

    name: bytes
    colon: bytes
    literal: bytes | None  # the value's, where it is no string
    end: bytes

    @property
    def beginning(self) -> bytes:
        return b'"%b"%b' % (self.name, self.colon)


def _columns(data: bytes) -> dict[str, pa.Array]:
    """Return every field's values (null: absent), in the layout's order. Raises _OtherLayoutError."""
    if any(character in data for character in (b"\r", _ABSENT, _BACKSLASH, _QUOTE)):
        raise _OtherLayoutError
    text = data
    if b"\\" in data:
        text = data.replace(b"\\\\", b"\\" + _BACKSLASH).replace(b'\\"', b"\\" + _QUOTE)
    try:
        columns = _cut(text)
    except _OtherLayoutError:
        # Looking for them beforehand would cost every block a tenth more.
        if b"null" not in data:
            raise
        columns = _cut(_quote_nulls(text))
    rows = len(next(iter(columns.values())))
    line_breaks = rows if data.endswith(b"\n") else rows - 1
    if _controls(data) != line_breaks or not _is_text(data):
        raise _OtherLayoutError
    return columns


def _cut(text: bytes) -> dict[str, pa.Array]:
    opening, members = _layout(text)
    names = _decoded(b'","'.join(member.name for member in members))
    if len(set(names)) < len(names):
        raise _OtherLayoutError
    tokens = _Tokens(text, count=1 + sum(2 if member.literal else 4 for member in members))
    columns: dict[str, pa.Array] = {}
    tokens.pass_over(opening)
    for name, member in zip(names, members, strict=True):
        tokens.pass_over(member.name)
        if member.literal:
            columns[name] = _literals(tokens.next(), member)
        else:
            tokens.pass_over(member.colon)
            columns[name] = _strings(tokens.next())
            tokens.pass_over(member.end)
    return columns


def _controls(data: bytes) -> int:
    """Count the control characters, line breaks among them."""
    codes = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
    return int(pc.less(codes, pa.scalar(32, pa.uint8())).true_count)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _layout(data: bytes) -> tuple[bytes, list[_Member]]:
    """Read the layout of the first line."""
    line = data[:stop] if (stop := data.find(b"\n")) >= 0 else data
    opening = _OPENING.match(line)
    if opening is None:
        raise _OtherLayoutError
    members: list[_Member] = []
    position = opening.end()
    while position < len(line):
        found = _MEMBER.match(line, position)
        if found is None:
            raise _OtherLayoutError
        members.append(_Member(*found.group("name", "colon", "literal", "end")))
        position = found.end()
    if not 0 < len(members) <= _MOST_FIELDS or not members[-1].end.endswith(b"}"):
        raise _OtherLayoutError
    return opening.group(), members


def _quote_nulls(text: bytes) -> bytes:
    """Make a string of each ``null`` of a field that has strings: see NOTE(standins)."""
    for member in _layout(text)[1]:
        beginning = member.beginning
        if member.literal is None or (member.literal == b"null" and beginning + b'"' in text):
            text = text.replace(beginning + b"null", b'%b"%b"' % (beginning, _ABSENT))
    return text


class _Tokens:
    """What ``"`` cuts each line into: columns, taken one after the other."""

    def __init__(self, data: bytes, *, count: int) -> None:
        names = [str(index) for index in range(count)]
        options = pyarrow.csv.ParseOptions(delimiter='"', quote_char=False, ignore_empty_lines=False)
        try:
            table = read_table(data, names, options)
        except pa.ArrowInvalid:
            raise _OtherLayoutError from None
        self._columns: Iterator[pa.ChunkedArray] = iter(table.columns)

    def next(self) -> pa.Array:
        return one_array(next(self._columns))

    def pass_over(self, constant: bytes) -> None:
        """Take the next column, which is the same in each line."""
        _require(pc.equal(self.next(), pa.scalar(constant, _BINARY)))


def _require(found: pa.BooleanArray) -> None:
    if found.true_count != len(found):
        raise _OtherLayoutError


def _literals(tokens: pa.Array, member: _Member) -> pa.Array:
    """Return numbers, ``true`` and ``false`` as written, and null for ``null``."""
    pattern = b"^%b%b%b$" % (re.escape(member.colon), _LITERAL, re.escape(member.end))
    _require(pc.match_substring_regex(tokens, pattern))
    column = pc.binary_slice(tokens, len(member.colon), -len(member.end))
    return _without(column, b"null")


def _strings(column: pa.Array) -> pa.Array:
    column = _without(column, _ABSENT)
    body = column.buffers()[2]
    if body is None or b"\\" not in body.to_pybytes():
        return column
    here = pc.fill_null(pc.match_substring(column, b"\\"), False)
    return pc.replace_with_mask(column, here, _unescaped(column.filter(here)))


def _unescaped(column: pa.Array) -> pa.Array:
    # No quote is in these, and none of them ends in the middle of an escape: so they are decoded together.
    together = pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), column)
    return pa.array(_decoded(pc.binary_join(together, b'","')[0].as_py()), _BINARY)


def _decoded(bodies: bytes) -> list[str]:
    """Unescape strings that are given as they are in JSON, with ``","`` between them."""
    text = bodies.replace(_QUOTE, b'"').replace(_BACKSLASH, b"\\")
    try:
        decoded: list[str] = json.loads(f'["{text.decode()}"]')
        "".join(decoded).encode()
    except ValueError:  # no such escape, no UTF-8, half of a surrogate pair
        raise _OtherLayoutError from None
    return decoded


def _without(column: pa.Array, value: bytes) -> pa.Array:
    here = pc.equal(column, pa.scalar(value, _BINARY))
    return pc.if_else(here, _NULL, column) if here.true_count else column


def _batch(
    columns: dict[str, pa.Array], lines: pa.Array | None, projection: Projection, origin: Origin
) -> Batch:
    """Make the batch as ``make_batch`` would."""
    rows = len(next(iter(columns.values())))
    if projection.omit_empty:
        columns = {name: _without(column, b"") for name, column in columns.items()}
    sources = spread_names(columns, projection) if projection.all else {}
    if projection.all:
        require_narrow(len(sources), rows)
    made = {new: columns[old] for new, (old,) in sources.items()}
    whole = {LINE: lines if projection.line else None, JSON: lines if projection.json else None}
    for name in sorted(projection.names - made.keys()):
        there = [old for old in projection.source_names(name) if old in columns]
        column = columns[there[0]] if there else pa.nulls(rows, _BINARY)
        original = whole.get(name)
        if original is not None:
            # These two names mean the whole record where it has no field of the name.
            if column.null_count == rows:
                continue
            column = pc.coalesce(column, original)
        made[name] = column
    return Batch(
        fields=pa.RecordBatch.from_arrays(list(made.values()), names=list(made)),
        spread=tuple(sources),
        numbers=number_column(origin.first_record, rows),
        line=whole[LINE],
        json=whole[JSON],
        rows=-1 if made else rows,
    )
