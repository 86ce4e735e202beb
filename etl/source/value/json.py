"""Arrow columns as JSON text (RFC 8259), compact, by joining whole columns: no loop over records.

Numbers, decimals (all digits) and booleans are JSON's own; strings, dates, times and UUIDs are JSON strings;
``binary`` is base64 in a JSON string; a number that JSON does not have (NaN, infinities) and null are
``null``. A list is an array, a struct an object with all its fields, a map an object whose keys are strings.
A string that is not UTF-8 has U+FFFD where it is not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.source.value.scalars import BINARY, NOTHING, is_bytes, is_text, scalar_text
from etl.source.value.wrapped import is_list, member_offsets, unwrap

_SPECIAL = bytes(range(32)) + b'"\\'
_ESCAPES = {byte: json.dumps(chr(byte))[1:-1].encode() for byte in _SPECIAL}


def json_of(array: pa.Array) -> pa.Array:
    """Return the JSON text of every value, ``binary``; null is ``null``."""
    return pc.fill_null(_json(array), b"null")


def json_objects(names: Sequence[str], values: Sequence[pa.Array], records: int) -> pa.Array:
    """Return a JSON object a record: ``{"name":value,...}``; ``values`` are JSON texts (``json_of``)."""
    parts: list[pa.Array | bytes] = []
    opening = b"{"
    for name, column in zip(names, values, strict=True):
        parts += [opening + _quoted_name(name) + b":", column]
        opening = b","
    if not parts:
        return pa.repeat(pa.scalar(b"{}", BINARY), records)
    return pc.binary_join_element_wise(*parts, b"}", b"")


def _json(array: pa.Array) -> pa.Array:
    type = array.type
    unwrapped = unwrap(array, _json)
    if unwrapped is not None:
        return unwrapped
    if is_list(type):
        members = json_of(array.flatten())
        mask = array.is_null() if array.null_count else None
        return _bracketed(b"[", pa.ListArray.from_arrays(member_offsets(array), members, mask=mask), b"]")
    if pa.types.is_struct(type):
        values = [json_of(array.field(index)) for index in range(type.num_fields)]
        objects = json_objects([field.name for field in type], values, len(array))
        return pc.if_else(array.is_valid(), objects, NOTHING) if array.null_count else objects
    if pa.types.is_map(type):
        return _maps(array)
    return _scalar(array)


def _maps(array: pa.Array) -> pa.Array:
    if not len(array):
        return pa.nulls(0, BINARY)
    # Only what this part of a longer array points at.
    first, stop = array.offsets[0].as_py(), array.offsets[-1].as_py()
    keys = json_of(array.keys.slice(first, stop - first))
    keys = pc.if_else(pc.starts_with(keys, b'"'), keys, _quoted(_escape(keys)))
    members = pc.binary_join_element_wise(keys, json_of(array.items.slice(first, stop - first)), b":")
    offsets = pc.subtract(array.offsets, first).cast(pa.int32())
    mask = array.is_null() if array.null_count else None
    return _bracketed(b"{", pa.ListArray.from_arrays(offsets, members, mask=mask), b"}")


def _bracketed(opening: bytes, lists: pa.Array, closing: bytes) -> pa.Array:
    return pc.binary_join_element_wise(opening, pc.binary_join(lists, b","), closing, b"")


def _scalar(array: pa.Array) -> pa.Array:
    type = array.type
    if is_text(type):
        return _quoted(_escape(array.cast(BINARY)))
    if is_bytes(type):
        return _quoted(_base64(array.cast(BINARY)))
    text = scalar_text(array)
    if pa.types.is_floating(type):
        floats = array.cast(pa.float32()) if pa.types.is_float16(type) else array
        return pc.if_else(pc.is_finite(floats), text, NOTHING)
    if pa.types.is_integer(type) or pa.types.is_decimal(type) or pa.types.is_boolean(type):
        return text
    return _quoted(text)


def _quoted(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(b'"', text, b'"', b"")


def _quoted_name(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode("utf-8", "replace")


def _escape(text: pa.Array) -> pa.Array:
    """Escape what JSON strings must: a pass for each such character that occurs at all (seldom any)."""
    data = _data(text)
    if len(data.translate(None, _SPECIAL)) < len(data):
        # The backslash first, which the others bring in.
        for byte in b"\\" + _SPECIAL[:-1]:
            if byte in data:
                text = pc.replace_substring(text, bytes((byte,)), _ESCAPES[byte])
    try:
        text.cast(pa.string())  # says whether it is UTF-8
    except pa.ArrowInvalid:
        replaced = (value if value is None else _utf8(value) for value in text.to_pylist())
        return pa.array(list(replaced), BINARY)
    return text


def _utf8(value: bytes) -> bytes:
    return value.decode("utf-8", "replace").encode()


def _data(array: pa.Array) -> bytes:
    """Return the bytes of all values, one after the other."""
    _, ends, data = array.buffers()
    if not len(array) or data is None:
        return b""
    offsets = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, ends], offset=array.offset)
    start, stop = offsets[0].as_py(), offsets[-1].as_py()
    return bytes(data.slice(start, stop - start))


def _base64(array: pa.Array) -> pa.Array:
    """Encode all values at once: each is filled up to a multiple of three bytes, where base64 can be cut."""
    lengths = pc.binary_length(array)
    rest = pc.subtract(lengths, pc.multiply(pc.divide(lengths, 3), 3))
    one, two = pc.equal(rest, 1), pc.equal(rest, 2)
    filling = pc.if_else(one, pa.scalar(b"\0\0", BINARY), pc.if_else(two, pa.scalar(b"\0", BINARY), b""))
    full = pc.fill_null(pc.binary_join_element_wise(array, filling, b""), b"")
    data = pa.py_buffer(base64.b64encode(_data(full)))
    ends = pc.cumulative_sum(pc.multiply(pc.divide(pc.binary_length(full), 3), 4))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    text = pa.Array.from_buffers(BINARY, len(full), [None, offsets.buffers()[1], data])
    text = pc.if_else(one, pc.binary_replace_slice(text, -2, _END, b"=="), text)
    return pc.if_else(two, pc.binary_replace_slice(text, -1, _END, b"="), text)


_END = (1 << 31) - 1
