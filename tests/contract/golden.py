"""Values with types, each in every way in which a source may hold it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from etl.options import LoadOptions
from etl.plan import Source
from etl.source.choose import choose_source


def chosen(*sources: Any, **options: Any) -> Source:
    """Choose a source as the command line does."""
    return choose_source(sources, LoadOptions(**options))


@dataclass(frozen=True)
class Typed:
    """A value: as JSON, as an Arrow column of one, as a Python object, and the texts that these become.

    ``None`` where there is no such thing: JSON has no NaN and no bytes.
    """

    name: str
    json: str | None
    json_text: str | None
    column: pa.Array
    column_text: bytes
    value: Any
    value_text: bytes


TYPED = [
    Typed("minus-zero", "-0.0", "-0.0", pa.array([-0.0]), b"-0.0", -0.0, b"-0.0"),
    Typed("nan", None, None, pa.array([float("nan")]), b"nan", float("nan"), b"nan"),
    Typed("infinity", None, None, pa.array([float("-inf")]), b"-inf", float("-inf"), b"-inf"),
    Typed("float", "0.1", "0.1", pa.array([0.1]), b"0.1", 0.1, b"0.1"),
    Typed("float32", "0.10000", "0.10000", pa.array([0.1], pa.float32()), b"0.1", 0.5, b"0.5"),
    Typed(
        "cents",
        "1.10",
        "1.10",
        pa.array([Decimal("1.10")], pa.decimal128(9, 2)),
        b"1.10",
        Decimal("1.10"),
        b"1.10",
    ),
    Typed("exponent", "1e5", "1e5", pa.array([1e5]), b"100000.0", 1e5, b"100000.0"),
    Typed(
        "twenty-digits",
        "12345678901234567890",
        "12345678901234567890",
        pa.array([12345678901234567890], pa.uint64()),
        b"12345678901234567890",
        12345678901234567890,
        b"12345678901234567890",
    ),
    Typed("yes", "true", "true", pa.array([True]), b"true", True, b"true"),
    Typed("no", "false", "false", pa.array([False]), b"false", False, b"false"),
    Typed(
        "nested",
        '{"a" : [1.10, null, "\\u00fc"]}',
        '{"a":[1.10,null,"ü"]}',
        pa.array([{"a": [1, None]}]),
        b'{"a":[1,null]}',
        {"a": [1, None, "ü"]},
        '{"a":[1,null,"ü"]}'.encode(),
    ),
    Typed("bytes", None, None, pa.array([b"\xff\0"]), b"\xff\0", b"\xff\0", b"\xff\0"),
    Typed(
        "vector",
        "[1, 0.5]",
        "[1,0.5]",
        pa.array([[1.0, 0.5]], pa.list_(pa.float32(), 2)),
        b"\0\0\x80\x3f\0\0\0\x3f",
        [1, 0.5],
        b"[1,0.5]",
    ),
]


def listed(column: pa.Array | None) -> list[Any]:
    """Return the values of a column that a batch must have."""
    assert column is not None
    return list(column.to_pylist())
