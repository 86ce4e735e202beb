"""JSON documents: JSON.GET, whose text is compared first, and where it differs what it says.

https://redis.io/docs/latest/commands/json.get/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import CRLF, Piece, argument, arguments, join, text_column
from etl.encode.resp.replies import WRONG_TYPE, odd_reply, wrong_type
from etl.encode.verify.check import Mismatch, ReadRequest
from etl.template import Template

_ROOT = Template((b".",))
_ROOTS = (Template((b"$",)), _ROOT)


@dataclass(frozen=True, slots=True)
class JsonCheck:
    """Compares one JSON value a record, at ``path``; with ``merge`` only what the source's value has.

    A server writes numbers and white space its own way, so texts that differ may be equal as JSON. Of a path
    that begins with ``$`` every match is compared.
    """

    key: Template
    path: Template
    value: Template
    merge: bool

    def uneven(self, columns: Columns) -> list[int]:
        return []

    def request(self, columns: Columns) -> ReadRequest:
        # Of the root ".", which answers the value alone: "$" would answer an array of the one match.
        path = _ROOT if self._root else self.path
        asked: list[Piece] = [argument(b"JSON.GET"), *arguments(columns.pieces(self.key))]
        joined = join([b"*3", *asked, *arguments(columns.pieces(path)), CRLF], columns.records)
        value = columns.pieces(self.value)
        answers = join(arguments([b"[", *value, b"]"] if self._matches else value), columns.records)
        # The first line break moves from the front to the end.
        expected = (answers.data[2:], CRLF) if columns.records else ()
        return ReadRequest((joined.data,), expected, columns.records)

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        keys = text_column(columns.pieces(self.key), columns.records).to_pylist()
        wanted = text_column(columns.pieces(self.value), columns.records).to_pylist()
        for index in range(columns.records):
            mismatch = self._judge(index, keys[index], wanted[index], next(replies))
            if mismatch is not None:
                yield mismatch

    @property
    def _root(self) -> bool:
        return self.path in _ROOTS

    @property
    def _matches(self) -> bool:
        """Return True if the answer is an array of all matches of the path."""
        first = self.path.parts[0] if self.path.parts else b""
        return not self._root and isinstance(first, bytes) and first.startswith(b"$")

    def _judge(self, index: int, key: bytes, wanted: bytes, reply: Any) -> Mismatch | None:
        if wrong_type(reply):
            return Mismatch(index, key, wanted, WRONG_TYPE)
        if reply is None or (isinstance(reply, Exception) and "does not exist" in str(reply)):
            return Mismatch(index, key, wanted)
        if isinstance(reply, Exception):
            return Mismatch(index, error=reply)
        if not isinstance(reply, bytes):
            return Mismatch(index, error=odd_reply(b"JSON.GET", reply))
        if reply == wanted and not self._matches:
            return None
        if self._matches and reply == b"[]":
            return Mismatch(index, key, wanted)
        return None if self._equal(wanted, reply) else Mismatch(index, key, wanted, reply)

    def _equal(self, wanted: bytes, reply: bytes) -> bool:
        same = _holds if self.merge else _same
        try:
            expected, found = _parse(wanted), _parse(reply)
            return all(same(value, expected) for value in (found if self._matches else [found]))
        except (ValueError, RecursionError):  # no JSON, or nested deeper than any server takes it
            return False


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # Python refuses integers of more than 4,300 digits; a server keeps them as floating point.
        return json.loads(text, parse_int=float)


def _same(found: Any, wanted: Any) -> bool:
    """Return True if two values are equal as JSON: numbers by value, objects in any order."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[name], wanted[name]) for name in wanted)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return _same_scalar(found, wanted)


def _same_scalar(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        if isinstance(found, int) and isinstance(wanted, int):
            return found == wanted
        return _as_float(found) == _as_float(wanted)
    return bool(found == wanted)


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _holds(found: Any, patch: Any) -> bool:
    """Return True if a document is as a merge has left it (RFC 7396).

    A null in the patch removes the name; but a document that was not there before may keep it.
    """
    if not isinstance(patch, dict):
        return _same(found, patch)
    if not isinstance(found, dict):
        return False
    return all(
        found.get(name) is None if value is None else name in found and _holds(found[name], value)
        for name, value in patch.items()
    )
