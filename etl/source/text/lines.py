"""Cutting text into lines."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_BINARY = pa.binary()


def split_lines(data: bytes) -> pa.Array:
    """Split bytes into lines without their terminators; a last line needs none. Gives a ``binary`` array."""
    if b"\r\n" in data:
        # The terminator is one \r\n: of "a\r\r\n" the record keeps its first \r, and so it does here.
        data = data.replace(b"\r\n", b"\n")
    whole = pa.array([0, len(data)], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(_BINARY, 1, [None, whole, pa.py_buffer(data)])
    lines = pc.split_pattern(array, b"\n").values
    return lines[:-1] if data.endswith(b"\n") else lines


def strip(lines: pa.Array) -> pa.Array:
    """Take white space off both ends, as Python's ``str.strip`` does; bytes that are no UTF-8 are kept."""
    try:
        text = lines.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_strip_raw(line) for line in lines.to_pylist()], _BINARY)
    return pc.utf8_trim_whitespace(text).cast(_BINARY)


def _strip_raw(line: bytes) -> bytes:
    return line.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape")
