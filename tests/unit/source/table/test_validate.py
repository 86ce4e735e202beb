from __future__ import annotations

import pyarrow as pa
import pytest

from etl.source.table.validate import require_valid
from tests.cases import cases


def offsets_of(*offsets: int) -> pa.Buffer:
    return pa.array(offsets, pa.int32()).buffers()[1]


BEYOND = pa.Array.from_buffers(pa.string(), 2, [None, offsets_of(0, 1 << 20, 2), pa.py_buffer(b"ab")])
BACKWARDS = pa.Array.from_buffers(pa.string(), 2, [None, offsets_of(0, 2, 1), pa.py_buffer(b"ab")])
NOT_UTF8 = pa.array([b"\xff", b"a"]).view(pa.string())
GARBAGE = pa.DictionaryArray.from_arrays(pa.array([7, 0], pa.int8()), pa.array(["x"]), safe=False)


def list_of(values: pa.Array, *offsets: int) -> pa.Array:
    type = pa.list_(values.type)
    return pa.Array.from_buffers(type, len(offsets) - 1, [None, offsets_of(*offsets)], children=[values])


@cases(
    "array",
    [
        BEYOND,
        BACKWARDS,
        list_of(BACKWARDS, 0, 2),
        list_of(NOT_UTF8, 0, 1 << 20, 2),
        pa.StructArray.from_arrays([NOT_UTF8, BACKWARDS], names=["a", "b"]),
        pa.DictionaryArray.from_arrays(pa.array([0]), BACKWARDS),
        GARBAGE,
        pa.StructArray.from_arrays([GARBAGE], names=["a"]),
    ],
)
def test_what_points_outside_of_its_bytes_is_refused(array: pa.Array) -> None:
    with pytest.raises(pa.ArrowInvalid):
        require_valid(array)


@cases(
    "array",
    [
        NOT_UTF8,
        NOT_UTF8.cast(pa.large_binary()).view(pa.large_string()),
        pa.array([b"\xff" * 30, b"a"], pa.binary_view()).view(pa.string_view()),
        list_of(NOT_UTF8, 0, 1, 2),
        pa.StructArray.from_arrays([NOT_UTF8, NOT_UTF8], names=["a", "b"]),
        pa.StructArray.from_arrays([GARBAGE], names=["a"], mask=pa.array([True, False])),
        pa.FixedSizeListArray.from_arrays(GARBAGE, 1, mask=pa.array([True, False])),
        pa.DictionaryArray.from_arrays(pa.array([0, None]), NOT_UTF8),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
    ],
)
def test_what_harms_nobody_is_let_pass(array: pa.Array) -> None:
    require_valid(array)
