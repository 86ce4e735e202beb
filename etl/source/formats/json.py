"""A JSON array of objects, read in blocks of whole elements: never whole in memory.

NOTE(structure): quotes and brackets alone say where an element ends, whatever else is wrong in it: one that
is bad in itself costs only itself. A bracket closes any bracket that is open (``[1}`` is one bad element).
Every element but the last ends with a comma, which belongs to its block; the last one shares its block with
the array's ``]``. A comma before the ``]`` is passed over; two commas with nothing between them have a record
there that is none. A file in which elements cannot be told apart any more is not loaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import SourceError
from etl.plan import Batch, Projection, Reject
from etl.source.formats.lines import record_number
from etl.source.json.columns import Parsed, make_batch, wants_raws
from etl.source.json.decode import decode_each, decode_elements
from etl.source.json.literals import WHITE, Literals, blank_escapes, byte_order_mark, skeleton
from etl.source.json.renaming import without_shared_names
from etl.source.text.format import BrokenTextError, Origin, chosen
from etl.units import KIB

_PAIR = re.compile(rb"\{,*\}")
_MOST_PASSES = 16
_STRUCTURE = re.compile(rb'["{}\[\],]')
_WINDOW_BYTES = 64 * KIB


@dataclass(frozen=True, slots=True)
class JsonArray:
    """The format ``json``: one array of objects."""

    @property
    def fields(self) -> None:
        return None

    def begin(self, head: bytes, *, final: bool, file: str) -> tuple[JsonArray, int] | None:
        mark = byte_order_mark(head, final=final, file=file)
        if mark is None:
            return None
        text = head[mark:].lstrip(WHITE)
        if not text and not final:
            return None
        if text.startswith(b"["):
            if final and len(text) == 1:
                raise SourceError(f"{file}: {_NOT_CLOSED}")
            return self, len(head) - len(text) + 1
        if text.startswith(b"{"):
            raise SourceError(
                f"{file} begins with a JSON object, not with an array of them:"
                " if it has one object a line, give --format jsonl"
            )
        what = f"begins with {text[:20]!r}" if text else "is empty"
        raise SourceError(f"{file} {what}: a JSON array begins with [")

    def scan(self, data: bytes, *, final: bool) -> tuple[int, int]:
        blanked = blank_escapes(data)
        bones, in_string = skeleton(blanked)
        bones = _reduce(bones)
        rest = bones.lstrip(b",")
        elements = len(bones) - len(rest)
        closed = rest.startswith(b"}")
        if closed and (rest != b"}" or in_string or not _only_the_end_follows(blanked)):
            raise _broken(data)
        if final:
            if not closed:
                raise _broken(data)
            last = _last_comma(blanked, -1, in_string=False) if elements else 0
            tail = data[last : data.rindex(b"]")]
            return len(data), elements + (1 if tail.strip(WHITE) else 0)
        if not elements:
            return 0, 0
        depth = rest.count(b"{") - rest.count(b"}")
        return _last_comma(blanked, depth, in_string=in_string), elements

    def end_of_long(self, data: bytes, *, first: bool) -> int:
        raise BrokenTextError("it is an element of an array", 0)

    def parse(self, data: bytes, projection: Projection, origin: Origin) -> Batch:
        literals = Literals.of(data)
        body = data.rstrip(WHITE)
        body = body[:-1].rstrip(WHITE) if body.endswith(b"]") else body
        body = body.removesuffix(b",")
        records = decode_elements(body, literals) if body.strip(WHITE) else None
        if records is None:
            parsed = decode_each(_spans(data, origin), literals)
        else:
            raws = [raw for _, raw in _spans(data, origin)] if wants_raws(projection) else None
            parsed = Parsed(literals, records, raws)
        parsed = without_shared_names(parsed, projection, lambda: _spans(data, origin))
        return make_batch(parsed, projection, origin)

    def originals(self, data: bytes, indices: Sequence[int], origin: Origin) -> list[Reject]:
        return [
            Reject(origin.file, record_number(origin, index), origin.offset + start, "", raw)
            for index, (start, raw) in chosen(_spans(data, origin), indices)
        ]


def _spans(data: bytes, origin: Origin) -> list[tuple[int, bytes]]:
    """Give each element's first byte and its bytes. Raises SourceError where the structure is lost."""
    try:
        return [(start, data[start:stop]) for start, stop in _elements(data).spans]
    except BrokenTextError as error:
        raise error.placed(origin.file, origin.offset) from None


def _reduce(bones: bytes) -> bytes:
    """Take the bracket pairs out of a skeleton: what is left is commas at the top, and unpaired brackets."""
    for _ in range(_MOST_PASSES):
        bones, pairs = _PAIR.subn(b"", bones)
        if not pairs:
            return bones
    # Nested deeper than that: seldom, and a pass for each level could take for ever.
    top = bytearray()
    opened: list[int] = []  # where each open bracket stands in ``top``
    for byte in bones:
        if byte == ord("}") and opened:
            del top[opened.pop() :]
            continue
        if byte == ord("{"):
            opened.append(len(top))
        top.append(byte)
    return bytes(top)


def _only_the_end_follows(blanked: bytes) -> bool:
    """Say whether the last bracket is a ``]`` with nothing but white space behind it."""
    end = max(blanked.rfind(b"]"), blanked.rfind(b"}"))
    return blanked.startswith(b"]", end) and not blanked[end + 1 :].strip(WHITE)


def _last_comma(blanked: bytes, depth: int, *, in_string: bool) -> int:
    """Give the place behind the last comma between elements; there is one. Walks from the end backwards.

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


def _elements(data: bytes) -> _Elements:
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
        raise BrokenTextError(_NOT_CLOSED, stop)
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


def _broken(data: bytes) -> SourceError:
    """Find out where and how the structure of ``data`` is lost."""
    _elements(data)
    return BrokenTextError(_NOT_CLOSED, len(data))


def _trimmed(data: bytes, start: int, stop: int) -> tuple[int, int]:
    text = data[start:stop]
    leading = len(text) - len(text.lstrip(WHITE))
    return start + leading, start + max(len(text.rstrip(WHITE)), leading)


_NOT_CLOSED = "the array ends without its ]: was the file cut off?"
_UNFINISHED = "an element begins that never ends: was the file cut off, or is a quote or a bracket missing?"
