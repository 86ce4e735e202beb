"""A JSON array of objects, read in blocks of whole elements: never whole in memory.

NOTE(structure): quotes and brackets alone say where an element ends, whatever else is wrong in it: one that
is bad in itself costs only itself. A bracket closes any bracket that is open (``[1}`` is one bad element).
Every element but the last ends with a comma, which belongs to its block; the last one shares its block with
the array's ``]``. A comma before the ``]`` is passed over; two commas with nothing between them have a record
there that is none. A file in which elements cannot be told apart any more is not loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import SourceError
from etl.plan import Batch, Projection, Reject
from etl.source.json.columns import Parsed, make_batch, wants_raws
from etl.source.json.decode import decode_each, decode_elements
from etl.source.json.literals import WHITE, Literals, blank_escapes, byte_order_mark, structural
from etl.source.json.renaming import without_shared_names
from etl.source.json.structure import (
    NOT_CLOSED,
    broken,
    elements,
    last_comma,
    only_the_end_follows,
    reduce_json,
)
from etl.source.text.format import BrokenTextError, Origin, chosen
from etl.source.text.numbering import record_number


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
                raise SourceError(f"{file}: {NOT_CLOSED}")
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
        structure, in_string = structural(blanked)
        structure = reduce_json(structure)
        rest = structure.lstrip(b",")
        elements = len(structure) - len(rest)
        closed = rest.startswith(b"}")
        if closed and (rest != b"}" or in_string or not only_the_end_follows(blanked)):
            raise broken(data)
        if final:
            if not closed:
                raise broken(data)
            last = last_comma(blanked, -1, in_string=False) if elements else 0
            tail = data[last : data.rindex(b"]")]
            return len(data), elements + (1 if tail.strip(WHITE) else 0)
        if not elements:
            return 0, 0
        depth = rest.count(b"{") - rest.count(b"}")
        return last_comma(blanked, depth, in_string=in_string), elements

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
    """Return each element's first byte and its bytes. Raises SourceError where the structure is lost."""
    try:
        return [(start, data[start:stop]) for start, stop in elements(data).spans]
    except BrokenTextError as error:
        raise error.placed(origin.file, origin.offset) from None
