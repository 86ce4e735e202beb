"""Records of text fields as JSON objects, made without a loop over records (RFC 8259)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_SHORT = {b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
_CONTROLS = bytes(range(32))
_ESCAPED = _CONTROLS + b'"\\'


def object_texts(names: Sequence[str], columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Write each record as a JSON object of strings; a field that is null is left out.

    ``columns`` are ``binary`` and hold UTF-8 (``not_text`` tells). Gives ``rows`` values of type ``binary``.
    """
    if not columns:
        return pa.repeat(pa.scalar(b"{}", pa.binary()), rows)
    heads = [json.dumps(name, ensure_ascii=False).encode() + b":" for name in names]
    escaped = [_escape(column) for column in columns]
    if any(column.null_count for column in columns):
        members = [_join([b"," + head + b'"', text, b'"']) for head, text in zip(heads, escaped, strict=True)]
        # The brace in front keeps Arrow from losing a row of which all is skipped.
        ends = pa.scalar(b"{", pa.binary()), pa.scalar(b"}", pa.binary()), pa.scalar(b"", pa.binary())
        texts = pc.binary_join_element_wise(ends[0], *members, *ends[1:], null_handling="skip")
        return pc.replace_substring(texts, pattern=b"{,", replacement=b"{", max_replacements=1)
    pieces: list[bytes | pa.Array] = []
    for index, (head, text) in enumerate(zip(heads, escaped, strict=True)):
        pieces += [(b'",' if index else b"{") + head + b'"', text]
    return _join([*pieces, b'"}'])


def not_text(column: pa.Array) -> list[int]:
    """Return the rows of a ``binary`` column that are not UTF-8, which JSON has to be."""
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return [row for row, value in enumerate(column.to_pylist()) if not _is_text(value)]
    return []


def _is_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _join(pieces: list[bytes | pa.Array]) -> pa.Array:
    scalars = [pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else piece for piece in pieces]
    return pc.binary_join_element_wise(*scalars, pa.scalar(b"", pa.binary()))


def _escape(column: pa.Array) -> pa.Array:
    buffer = column.buffers()[2]
    text = b"" if buffer is None else buffer.to_pybytes()
    if len(text.translate(None, _ESCAPED)) == len(text):
        return column
    if b"\\" in text:  # first: the others put new ones in
        column = pc.replace_substring(column, pattern=b"\\", replacement=b"\\\\")
    if b'"' in text:
        column = pc.replace_substring(column, pattern=b'"', replacement=b'\\"')
    for code in _CONTROLS:
        control = bytes([code])
        if control in text:
            escape = _SHORT.get(control, b"\\u%04x" % code)
            column = pc.replace_substring(column, pattern=control, replacement=escape)
    return column
