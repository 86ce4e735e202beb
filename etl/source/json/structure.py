"""The structure of JSON text by whole columns: where its elements begin and end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.errors import SourceError
from etl.source.json.literals import WHITE, blank_escapes
from etl.source.text.format import BrokenTextError
from etl.units import KIB

_PAIR = re.compile(rb"\{,*\}")


_MOST_PASSES = 16


_STRUCTURE = re.compile(rb'["{}\[\],]')


_WINDOW_BYTES = 64 * KIB


def reduce_json(structure: bytes) -> bytes:
    """Take the bracket pairs out of a skeleton: what is left is commas at the top, and unpaired brackets."""
    for _ in range(_MOST_PASSES):
        structure, pairs = _PAIR.subn(b"", structure)
        if not pairs:
            return structure
    # Nested deeper than that: seldom, and a pass for each level could take for ever.
    top = bytearray()
    opened: list[int] = []  # where each open bracket stands in ``top``
    for byte in structure:
        if byte == ord("}") and opened:
            del top[opened.pop() :]
            continue
        if byte == ord("{"):
            opened.append(len(top))
        top.append(byte)
    return bytes(top)


def only_the_end_follows(blanked: bytes) -> bool:
    """Return True if the last bracket is a ``]`` with nothing but white space behind it."""
    end = max(blanked.rfind(b"]"), blanked.rfind(b"}"))
    return blanked.startswith(b"]", end) and not blanked[end + 1 :].strip(WHITE)


def last_comma(blanked: bytes, depth: int, *, in_string: bool) -> int:
    """Return the place behind the last comma between elements; there is one. Walks from the end backwards.

    ``depth`` counts the brackets open at the end, ``in_string`` says whether a string is.
    """
    stop = len(blanked)
    while stop:
        start = max(stop - _WINDOW_BYTES, 0)
        for found in reversed(list(_STRUCTURE.finditer(blanked, start, stop))):
            sign = found.group()
            if sign == b'"':
                in_string = not in_string
            elif in_string:
                continue
            elif sign == b",":
                if depth == 0:
                    return found.end()
            else:
                depth += 1 if sign in b"]}" else -1
        stop = start
    raise AssertionError("the skeleton has a comma that the text has not")


# Up to the next bracket (at the top: or comma) outside of strings; so many strings at once, as each takes
# memory while the expression is matched.
_INSIDE = re.compile(rb'[^"{}\[\]]*(?:"[^"]*"[^"{}\[\]]*){0,1000}')


_AT_TOP = re.compile(rb'[^"{}\[\],]*(?:"[^"]*"[^"{}\[\],]*){0,1000}')


@dataclass(frozen=True, slots=True)
class _Elements:
    spans: list[tuple[int, int]]
    closed: bool


def elements(data: bytes) -> _Elements:
    """Walk through the elements one by one (slow). Raises BrokenTextError where the structure is lost."""
    blanked = blank_escapes(data)
    spans: list[tuple[int, int]] = []
    begin = position = depth = 0
    while True:
        start = position
        match = (_INSIDE if depth else _AT_TOP).match(blanked, position)
        assert match is not None
        position = match.end()
        sign = blanked[position : position + 1]
        if not sign or (sign == b'"' and blanked.find(b'"', position + 1) < 0):
            return _ended(data, begin, spans, unfinished=bool(sign or depth))
        if sign == b'"':
            assert position > start, "a whole string is passed over"
            continue
        position += 1
        if sign in b"{[":
            depth += 1
        elif sign == b",":
            if not depth:
                spans.append(_trimmed(data, begin, position - 1))
                begin = position
        elif depth:
            depth -= 1
        else:
            _require_end(data, sign, position)
            if data[begin : position - 1].strip(WHITE):
                spans.append(_trimmed(data, begin, position - 1))
            return _Elements(spans, closed=True)


def _ended(data: bytes, begin: int, spans: list[tuple[int, int]], *, unfinished: bool) -> _Elements:
    start, stop = _trimmed(data, begin, len(data))
    if unfinished:
        raise BrokenTextError(_UNFINISHED, start)
    if start < stop:
        raise BrokenTextError(NOT_CLOSED, stop)
    return _Elements(spans, closed=False)


def _require_end(data: bytes, sign: bytes, position: int) -> None:
    if sign == b"}":
        raise BrokenTextError("there is a } that closes nothing: mend the file there", position - 1)
    after = data[position:].lstrip(WHITE)
    if after:
        raise BrokenTextError(
            "something follows the end of the array: a file of the format json holds one array",
            len(data) - len(after),
        )


def broken(data: bytes) -> SourceError:
    """Find out where and how the structure of ``data`` is lost."""
    elements(data)
    return BrokenTextError(NOT_CLOSED, len(data))


def _trimmed(data: bytes, start: int, stop: int) -> tuple[int, int]:
    text = data[start:stop]
    leading = len(text) - len(text.lstrip(WHITE))
    return start + leading, start + max(len(text.rstrip(WHITE)), leading)


NOT_CLOSED = "the array ends without its ]: was the file cut off?"


_UNFINISHED = "an element begins that never ends: was the file cut off, or is a quote or a bracket missing?"
