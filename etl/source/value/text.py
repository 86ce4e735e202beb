"""Arrow columns as text: what a typed value looks like in Redis.

One value of any type becomes one ``binary`` text; null (the record has no such value) stays null.

| Arrow type | text |
|---|---|
| ``int*``, ``uint*`` | decimal digits: ``-7`` |
| ``float``, ``double`` | as Python's ``repr`` has it, the shortest that reads back as the same number of that width: ``1.0``, ``0.1``, ``-0.0``, ``1e-05``, ``123456789012.0``, ``1e+22``, ``nan``, ``inf``, ``-inf`` |
| ``halffloat`` | the same, of the number exactly: ``0.0999755859375`` |
| ``decimal*`` | all its digits, never an exponent: ``1.10``, ``0.0000000001``, ``1100`` |
| ``bool``, ``bool8`` | ``true``, ``false`` |
| ``string`` and ``binary`` of any kind | the bytes themselves |
| ``timestamp`` | ISO 8601, the digits of its unit, none where they are all zero: ``2024-01-02T03:04:05``, ``2024-01-02T03:04:05.123456`` |
| ``timestamp`` with a zone | the zone's local time and its offset: ``2024-01-02T03:04:05+01:00``; ``Z`` for UTC; with seconds where the offset had them, before there were time zones: ``1818-05-10T09:33:58-04:56:02`` |
| ``date*`` | ``2024-01-02`` |
| ``time*`` | ``03:04:05``, ``03:04:05.120`` |
| ``duration`` | ISO 8601, in seconds: ``PT5400S``, ``PT0.000001S``, ``-PT1.500S`` |
| ``month_day_nano_interval`` | ISO 8601: ``P14M3DT0.5S`` |
| ``list*``, ``struct``, ``map`` | compact JSON (see ``arrow_json``) |
| fixed-size list of floats | a vector: raw little-endian float32, a missing member is NaN; with ``--vectors text`` JSON |
| ``dictionary``, ``run_end_encoded``, unions | as the value they stand for |
| extension types | as their storage; ``uuid`` as ``00112233-4455-6677-8899-aabbccddeeff`` |
| ``null`` | no value |

Dates and times outside of the years 0 to 9999 (with a zone: the years of its local time), and times of day
outside of the day, have no such text; they are the integer that is stored. That is so wherever they stand, in
lists, structs and maps too.
"""  # noqa: E501 - a table row is one line

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from etl.source.value.json import json_of
from etl.source.value.scalars import BINARY, NOTHING, is_nested, scalar_text
from etl.source.value.wrapped import is_list, member_offsets, unwrap


def text_of(array: pa.Array, *, vectors: str = "raw") -> pa.Array:
    """Return the text of every value, ``binary``; null stays null. ``vectors`` is ``raw`` or ``text``."""

    def inner(part: pa.Array) -> pa.Array:
        return text_of(part, vectors=vectors)

    unwrapped = unwrap(array, inner)
    if unwrapped is not None:
        return unwrapped
    if vectors == "raw" and is_vector(array.type):
        return _raw_vectors(array)
    if is_nested(array.type):
        return pc.if_else(array.is_valid(), json_of(array), NOTHING)
    return scalar_text(array)


def is_vector(type: pa.DataType) -> bool:
    """Return True if values of this type are fixed-size lists of floats."""
    return bool(pa.types.is_fixed_size_list(type) and pa.types.is_floating(type.value_type))


def members_of(array: pa.Array, *, vectors: str = "raw") -> pa.Array:
    """Return the texts of the members of every list, ``list<binary>``: what ``{x[]}`` stands for.

    A null list is null, a null member is left out; any other value counts as a list of one.
    """
    if pa.types.is_dictionary(array.type):
        return members_of(array.dictionary, vectors=vectors).take(array.indices)
    if isinstance(array, pa.ExtensionArray) and is_list(array.type.storage_type):
        return members_of(array.storage, vectors=vectors)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.list_(BINARY))
    if not is_list(array.type):
        return _lists_of_one(text_of(array, vectors=vectors))
    members = text_of(array.flatten(), vectors=vectors)
    offsets = member_offsets(array)
    if members.null_count:
        # Each list begins behind as many members as are there before it.
        there = pc.cumulative_sum(members.is_valid().cast(pa.int32()))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), there]).take(offsets)
        members = members.drop_null()
    return pa.ListArray.from_arrays(offsets, members, mask=array.is_null() if array.null_count else None)


def _lists_of_one(texts: pa.Array) -> pa.Array:
    there = texts.is_valid()
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(there.cast(pa.int32()))])
    return pa.ListArray.from_arrays(offsets, texts.drop_null(), mask=pc.invert(there))


def _raw_vectors(array: pa.Array) -> pa.Array:
    width = array.type.list_size
    values = array.values.slice(array.offset * width, len(array) * width).cast(pa.float32(), safe=False)
    values = pc.fill_null(values, float("nan"))
    offsets = pa.array([index * width * 4 for index in range(len(array) + 1)], pa.int32())
    data = values.buffers()[1].slice(values.offset * 4, len(values) * 4) if len(values) else pa.py_buffer(b"")
    raw = pa.Array.from_buffers(BINARY, len(array), [None, offsets.buffers()[1], data])
    return pc.if_else(array.is_valid(), raw, NOTHING) if array.null_count else raw
