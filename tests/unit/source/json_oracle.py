"""What JSON records are by Python's own ``json``, and a reader that cuts and parses bytes as sources do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from etl.plan import Batch, Projection, Reject
from etl.source.text.format import TextFormat, scan_at
from etl.source.text.wide import parse_in_parts

ALL = Projection(all=True)


class Number(str):
    """A number's literal text."""

    __slots__ = ()


def loads(text: str | bytes) -> Any:
    """Decode JSON, numbers as their literal text."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def dumps(value: Any) -> str:
    """Write compact JSON, numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(name)}:{dumps(nested)}" for name, nested in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def text(value: Any) -> bytes | None:
    """Return a value's text as a field has it."""
    if value is None:
        return None
    return (str(value) if isinstance(value, str) else dumps(value)).encode()


def texts(record: dict[str, Any]) -> dict[str, bytes]:
    """Return a record's fields, those that are null left out."""
    fields = {name: text(value) for name, value in record.items()}
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Place:
    file: str = "file.json"
    offset: int = 0
    first_record: int | None = 0


@dataclass(frozen=True)
class Cut:
    """A block and where it stands."""

    data: bytes
    place: Place
    records: int


def cut(format: TextFormat, data: bytes, block_bytes: int = 1 << 20) -> Iterator[Cut]:
    """Cut bytes into blocks as ``TextFiles`` does, the format's ``begin`` seen to."""
    head = 1
    while (begun := format.begin(data[:head], final=head >= len(data), file="file.json")) is None:
        head *= 2
    format, start = begun
    first_record, nominal = 0, block_bytes
    while start < len(data):
        part = data[start : start + nominal]
        final = start + nominal >= len(data)
        length, records = scan_at(format, part, final=final, file="file.json", start=start)
        assert length or not final
        if length:
            yield Cut(part[:length], Place("file.json", start, first_record), records)
            start, first_record, nominal = start + length, first_record + records, block_bytes
        else:
            nominal *= 2


def batches(
    format: TextFormat, data: bytes, projection: Projection = ALL, block_bytes: int = 1 << 20
) -> list[Batch]:
    """Read bytes through a format; every block has as many records as its scan said."""
    found = []
    for block in cut(format, data, block_bytes):
        parts = list(parse_in_parts(format, block.data, projection, block.place))
        assert sum(len(part) + len(part.rejects) for part in parts) == block.records
        found += parts
    return found


def records(found: list[Batch]) -> list[dict[str, bytes]]:
    """Return the records of batches as dicts of the fields that each has."""
    rows = [row for batch in found for row in batch.fields.to_pylist() or [{}] * len(batch)]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def numbers(found: list[Batch]) -> list[int]:
    return [number for batch in found if batch.numbers is not None for number in batch.numbers.to_pylist()]


def rejects(found: list[Batch]) -> list[Reject]:
    return [reject for batch in found for reject in batch.rejects]


_STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "",
        "\0",
        "\0\1",
        "\x01",
        '"',
        "\\",
        '\\"',
        "[{",
        "}]",
        ",",
        "},{",
        "-Infinity",
        "😀",
        "\n",
        "\r\n",
        "1.10",
    ]
)
_NUMBERS = st.sampled_from(["0", "-0", "-0.0", "1.10", "1e5", "1E+05", "12345678901234567890", "0.1e-7"]).map(
    Number
)
_SCALARS = st.none() | st.booleans() | _STRINGS | _NUMBERS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_STRINGS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["id", "name", "a", "a.b", "line"]) | _STRINGS, _VALUES, max_size=5)
"""Objects whose numbers are ``Number``, to be written by ``write``."""


@dataclass(frozen=True)
class Layout:
    """A way to write JSON."""

    comma: str = ","
    colon: str = ":"
    ascii: bool = False
    break_line: str = ""  # behind every bracket and comma

    def write(self, value: Any) -> str:
        if isinstance(value, Number):
            return str(value)
        if isinstance(value, (dict, list)):
            if isinstance(value, dict):
                members = [
                    f"{json.dumps(name, ensure_ascii=self.ascii)}{self.colon}{self.write(nested)}"
                    for name, nested in value.items()
                ]
            else:
                members = [self.write(nested) for nested in value]
            opening, closing = "{}" if isinstance(value, dict) else "[]"
            inner = (self.comma + self.break_line).join(members)
            return f"{opening}{self.break_line}{inner}{self.break_line}{closing}"
        return json.dumps(value, ensure_ascii=self.ascii)


LAYOUTS = st.builds(
    Layout,
    comma=st.sampled_from([",", ", ", " ,"]),
    colon=st.sampled_from([":", ": ", "\t:"]),
    ascii=st.booleans(),
)
