"""JSON text to Python objects and back, with every number's own text kept.

NOTE(marks): ``json`` gives a number's text to a hook. The hook puts a mark before it, a control character
that the input's strings do not hold, and so a number is told from a string wherever it lands: taken out of a
column the mark leaves the literal, and in encoded JSON ``"<mark>1.10"`` becomes ``1.10``. A hook in C and one
substitution over the whole text cost nothing; a subclass of ``str`` for numbers costs 0.3 us each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, count, product
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import SourceError

WHITE = b" \t\r\n"
"""What RFC 8259 counts as white space."""

MAX_NESTING = 256
"""Deepest nesting of a record: far below what Python's own recursion limit lets through anywhere."""

SEPARATOR = object()
"""What the constant ``-Infinity`` becomes between records decoded together: see ``decode_together``."""

_BINARY = pa.binary()
_WORDS = {True: "true", False: "false"}
_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
# Control characters whose escapes have one spelling only: no hexadecimal letter, no short form.
_MARKS = [chr(code) for code in (*range(8), *range(0x10, 0x1A))]


@dataclass(frozen=True, slots=True)
class Literals:
    """A way to decode and encode the JSON of one block: see NOTE(marks)."""

    mark: str

    @classmethod
    def of(cls, data: bytes) -> Literals:
        """Choose a mark that no string in ``data`` holds."""
        if b"\\" not in data or b"\\u00" not in data:
            return cls(_MARKS[0])
        return cls(next(mark for mark in _marks() if _escape(mark).encode() not in data))

    def decode_together(self, text: str) -> Any:
        """Decode text in which ``-Infinity`` stands for SEPARATOR. Raises ValueError or RecursionError."""
        try:
            return self._decoder({"-Infinity": SEPARATOR}.__getitem__).decode(text)
        except KeyError as error:
            raise ValueError(f"{error} is no JSON") from None

    def decoder(self) -> json.JSONDecoder:
        """Make a decoder by RFC 8259. It raises ConstantError, JSONDecodeError or RecursionError."""
        return self._decoder(_refuse)

    def _decoder(self, constant: Any) -> json.JSONDecoder:
        marked = self.mark.__add__
        return json.JSONDecoder(parse_int=marked, parse_float=marked, parse_constant=constant)

    def encode(self, values: list[Any]) -> list[str]:
        """Write decoded values as compact JSON, each its own text."""
        if not values:
            return []
        # All in one call, with the mark by itself between them.
        spaced: list[Any] = [self.mark] * (2 * len(values) - 1)
        spaced[::2] = values
        mark = _escape(self.mark)
        text = re.sub(f'"{re.escape(mark)}([^"]+)"', r"\1", _ENCODE(spaced)[1:-1])
        return text.split(f',"{mark}",')

    def column(self, values: list[Any]) -> pa.Array:
        """Make a ``binary`` column of decoded values: strings unescaped, numbers and words as written.

        Objects and arrays become compact JSON; None is null.
        """
        try:
            column = pa.array(values, _BINARY)
        except pa.ArrowTypeError:
            column = pa.array(self._texts(values), _BINARY)
        text = column.buffers()[2]
        if text is not None and self.mark.encode() in text.to_pybytes():
            column = pc.replace_substring(column, self.mark, "")
        return column

    def _texts(self, values: list[Any]) -> list[str | None]:
        nested = [index for index, value in enumerate(values) if isinstance(value, (dict, list))]
        texts = list(values)
        for index, text in zip(nested, self.encode([values[index] for index in nested]), strict=True):
            texts[index] = text
        return [_WORDS.get(text, text) for text in texts]


def _marks() -> Iterator[str]:
    """Return marks without end, shortest first: text of any length is without one of them."""
    return ("".join(mark) for length in count(1) for mark in product(_MARKS, repeat=length))


def _escape(mark: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in mark)


class ConstantError(ValueError):
    """Text has ``NaN`` or an infinity, which Python's ``json`` reads and RFC 8259 does not know."""


def _refuse(constant: str) -> None:
    raise ConstantError(constant)


_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(NaN|-?Infinity)', re.DOTALL)


def constant_at(text: str) -> int:
    """Return the place of the first such literal outside of strings."""
    return next((found.start() for found in _CONSTANT.finditer(text) if found.group(1)), 0)


_SURROGATE = rb"\\u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|[c-fC-F](?<!\\u[dD][89abAB]..\\u[dD][c-fC-F]))"
_LONE_SURROGATE = re.compile(_SURROGATE, re.DOTALL)


def may_hold_lone_surrogate(data: bytes) -> bool:
    """Return True if text may hold an escaped half of a UTF-16 pair; ``\\\\ud800`` only looks like one."""
    return b"\\" in data and _LONE_SURROGATE.search(data) is not None


_BRACKETS = bytes.maketrans(b"[]", b"{}")
_NOT_STRUCTURAL = bytes(set(range(256)) - set(b'"{}[],'))
_STRING = re.compile(rb'"[^"]*"')
_STEPS = bytes.maketrans(b"{}", b"\x01\xff")


def blank_escapes(data: bytes) -> bytes:
    """Put ``_`` in place of escaped quotes and backslashes, so that every ``"`` left is a string's end."""
    if b"\\" not in data:
        return data
    return data.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def structural(blanked: bytes) -> tuple[bytes, bool]:
    """Return the brackets (all as ``{}``) and commas outside of strings, and whether a string is left open.

    ``blanked`` has no escapes (``blank_escapes``). Two neighbouring quotes of what is left can be taken out
    whatever they are, an empty string or an end and a beginning: what is inside of strings stays inside.
    """
    structure = blanked.translate(_BRACKETS, _NOT_STRUCTURAL).replace(b'""', b"")
    if b'"' not in structure:
        return structure, False
    structure = _STRING.sub(b"", structure)
    opened = structure.find(b'"')
    return (structure, False) if opened < 0 else (structure[:opened], True)


def nested_too_deeply(data: bytes, records: int) -> bool:
    """Return True if any of the records in ``data``, all of them JSON, is nested deeper than MAX_NESTING."""
    if data.count(b"{") + data.count(b"[") - records < MAX_NESTING:
        return False
    structure = structural(blank_escapes(data))[0].replace(b",", b"")
    steps = memoryview(structure.translate(_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > MAX_NESTING


def byte_order_mark(head: bytes, *, final: bool, file: str) -> int | None:
    """Return the bytes of a UTF-8 byte order mark to be passed over; None where ``head`` is too short.

    Raises SourceError for UTF-16 and UTF-32.
    """
    if len(head) < 4 and not final:
        return None
    first, second, third, fourth = head[:4].ljust(4, b" ")
    zeros = (not first, not second, not third, not fourth)
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or zeros in (
        (True, False, True, False),
        (False, True, False, True),
    ):
        raise SourceError(
            f"{file} is UTF-16 or UTF-32; JSON is read as UTF-8: convert it, as with iconv -f UTF-16 -t UTF-8"
        )
    return 3 if head.startswith(b"\xef\xbb\xbf") else 0
