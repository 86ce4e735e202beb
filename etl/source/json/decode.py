"""Records' bytes to objects: all of them in one call where all are good, else one by one.

NOTE(together): a block's lines become one JSON array and are decoded in one call, which is three times as
fast as a call each. It has to be certain that each line was one object by itself, and not that two lines
made one (``{"a": [1`` and ``2]}``) while another held two. A raw line break cannot be in a string (RFC 8259),
so one behind each comma keeps these commas out of strings. Where moreover no ``[`` is there and each line
begins with ``{``, such a comma can be inside of nothing: an object would have a key follow. Otherwise
``-Infinity`` goes between the lines, a literal that data cannot spell in another way: n - 1 of them found at
the top means none elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from etl.source.json.columns import Bad, Parsed
from etl.source.json.literals import (
    MAX_NESTING,
    SEPARATOR,
    WHITE,
    ConstantError,
    Literals,
    constant_at,
    may_hold_lone_surrogate,
    nested_too_deeply,
)

Objects = list[dict[str, Any]]

_SEPARATED = b",\n-Infinity,"


class _BadRecordError(ValueError):
    """A record is no JSON object; the message is the reason."""


def decode_lines(data: bytes, literals: Literals) -> Objects | None:
    """Decode lines, blank ones left out; None unless each is an object. See NOTE(together)."""
    data = data.strip(WHITE)
    if not data:
        return []
    ends = data.count(b"\n")
    if data.startswith(b"{") and b"[" not in data and data.count(b"\n{") == ends:
        return decode_elements(data.replace(b"\n", b",\n"), literals, ends + 1)
    if b"-Infinity" in data:
        return None
    lines = [line for line in data.split(b"\n") if line.strip(WHITE)]
    values = _decode(_SEPARATED.join(lines), literals)
    if values is None or len(values) != 2 * len(lines) - 1:
        return None
    if values[1::2].count(SEPARATOR) != len(lines) - 1:
        return None
    return _objects(values[::2], data)


def decode_elements(data: bytes, literals: Literals, records: int | None = None) -> Objects | None:
    """Decode objects with commas between them; None unless all are, and ``records`` of them."""
    if b"-Infinity" in data:
        return None
    values = _decode(data, literals)
    if values is None or (records is not None and len(values) != records):
        return None
    return _objects(values, data)


def _decode(data: bytes, literals: Literals) -> list[Any] | None:
    if may_hold_lone_surrogate(data):
        return None
    try:
        values: list[Any] = literals.decode_together(f"[{data.decode()}]")
    except (ValueError, RecursionError):
        return None
    return values


def _objects(values: list[Any], data: bytes) -> Objects | None:
    if set(map(type, values)) != {dict} or nested_too_deeply(data, len(values)):
        return None
    return values


def decode_each(spans: Iterable[tuple[int, bytes]], literals: Literals) -> Parsed:
    """Decode records one by one; ``spans`` are each one's first byte in the block, and its bytes."""
    records: Objects = []
    raws: list[bytes] = []
    bad: list[Bad] = []
    decoder = literals.decoder()
    for index, (start, raw) in enumerate(spans):
        try:
            records.append(_decode_one(raw, literals, decoder))
        except _BadRecordError as error:
            bad.append(Bad(index, start, str(error), raw))
        else:
            raws.append(raw)
    return Parsed(literals, records, raws, tuple(bad))


def _decode_one(raw: bytes, literals: Literals, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        text = raw.decode()
        value = decoder.decode(text)
    except UnicodeDecodeError as error:
        raise _BadRecordError(f"it is not UTF-8 at byte {error.start + 1:,} of it") from None
    except ConstantError as error:
        column = constant_at(text) + 1
        raise _BadRecordError(f"it is not JSON: the literal {error} at column {column:,}") from None
    except json.JSONDecodeError as error:
        raise _BadRecordError(f"it is not JSON: {_described(error)}") from None
    except RecursionError:
        raise _BadRecordError(_TOO_DEEP) from None
    if not isinstance(value, dict):
        raise _BadRecordError(f"it is no JSON object but {_kind(value, literals)}")
    if nested_too_deeply(raw, 1):
        raise _BadRecordError(_TOO_DEEP)
    if may_hold_lone_surrogate(raw):
        _require_text(value, literals)
    return value


_TOO_DEEP = f"it is nested deeper than {MAX_NESTING} levels"


def _described(error: json.JSONDecodeError) -> str:
    line = f"line {error.lineno:,}, " if error.lineno > 1 else ""
    return f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(':')} at {line}column {error.colno:,}"


def _kind(value: Any, literals: Literals) -> str:
    if isinstance(value, list):
        return "an array (the format json reads a whole file that is one)"
    if isinstance(value, str):
        return "a number" if value.startswith(literals.mark) else "a string"
    return {True: "true", False: "false"}.get(value, "null")


def _require_text(value: dict[str, Any], literals: Literals) -> None:
    try:
        literals.encode([value])[0].encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise _BadRecordError(f"it holds \\u{code:04x}, half of a surrogate pair: no text") from None
