"""What Arrow values look like as text, one Python value at a time: written apart from what it checks."""

from __future__ import annotations

import base64
import datetime
import json
import math
import struct
import uuid
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import assume


def text(value: Any, type: pa.DataType) -> bytes | None:
    """Write one Python value of an Arrow type as the table in ``arrow_text`` says."""
    if value is None:
        return None
    if isinstance(type, pa.BaseExtensionType) and not isinstance(value, uuid.UUID):
        return text(value, type.storage_type)
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return text(value, type.value_type)
    if pa.types.is_fixed_size_list(type) and pa.types.is_floating(type.value_type):
        return b"".join(_float32(math.nan if member is None else member) for member in value)
    if isinstance(value, bytes):
        return value
    if pa.types.is_nested(type):
        return json_text(value, type).encode()
    if isinstance(value, float) and pa.types.is_float32(type):
        return repr(_shortest_float32(value)).encode()
    return _plain(value).encode()


def json_text(value: Any, type: pa.DataType) -> str:
    """Write one Python value of an Arrow type as JSON text."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "null"
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return json_text(value, type.value_type)
    if pa.types.is_map(type):
        return (
            "{"
            + ",".join(_key(k, type.key_type) + ":" + json_text(v, type.item_type) for k, v in value)
            + "}"
        )
    if pa.types.is_struct(type):
        return "{" + ",".join(f"{_string(f.name)}:{json_text(value[f.name], f.type)}" for f in type) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(member, type.value_type) for member in value) + "]"
    if isinstance(value, bytes):
        return _string(base64.b64encode(value).decode())
    if isinstance(value, float) and pa.types.is_float32(type):
        return repr(_shortest_float32(value))
    if isinstance(value, bool | int | float | Decimal):
        return _plain(value)
    return _string(_plain(value))


def _key(value: Any, type: pa.DataType) -> str:
    written = json_text(value, type)
    return written if written.startswith('"') else _string(written)


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        written = value.isoformat()
        return written[:-6] + "Z" if written.endswith("+00:00") else written
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        micros = value // datetime.timedelta(microseconds=1)
        seconds, fraction = divmod(abs(micros), 1_000_000)
        return f"{'-' if micros < 0 else ''}PT{seconds}" + (f".{fraction:06d}" if fraction else "") + "S"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def _float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _shortest_float32(value: float) -> float:
    """Find the number with the fewest digits that is still the same float32."""
    if not math.isfinite(value):
        return value
    candidates = (float(f"{value:.{digits}e}") for digits in range(9))
    return next(shorter for shorter in candidates if _float32(shorter) == _float32(value))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_UTC: Any = st.just(datetime.timezone.utc)
_MICROS: dict[str, Any] = {
    "min_value": datetime.datetime(1, 1, 2),
    "max_value": datetime.datetime(9999, 12, 30),
}

SCALARS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.one_of(
        st.floats(), st.integers(-(2**53), 2**53).map(float), st.sampled_from([1e22, -0.0])
    ),
    pa.float32(): st.one_of(st.floats(width=32), st.integers(-(2**24), 2**24).map(float)),
    pa.bool_(): st.booleans(),
    pa.string(): _TEXT,
    pa.large_string(): _TEXT,
    pa.string_view(): _TEXT,
    pa.binary(): st.binary(max_size=8),
    pa.large_binary(): st.binary(max_size=8),
    pa.binary_view(): st.binary(max_size=20),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.decimal128(10, 2): st.decimals(-(10**7), 10**7, places=2),
    pa.decimal128(30, 18): st.decimals(-(10**9), 10**9, places=18),
    pa.decimal256(60, 40): st.decimals(-(10**9), 10**9, places=40),
    pa.decimal64(12, 9): st.decimals(-99, 99, places=9),
    pa.decimal32(7, 3): st.decimals(-999, 999, places=3),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", "UTC"): st.datetimes(**_MICROS, timezones=_UTC),
    pa.timestamp("us", "+05:30"): st.datetimes(**_MICROS, timezones=_UTC),
    pa.time64("us"): st.times(),
    pa.duration("us"): st.timedeltas(datetime.timedelta(days=-(10**6)), datetime.timedelta(days=10**6)),
}


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """Draw an Arrow type, nested up to ``depth`` deep, and a strategy of its values, null among them."""
    kinds = ["scalar", "scalar", "dictionary"] if not depth else ["scalar", "list", "struct", "map", "fixed"]
    kind = draw(st.sampled_from(kinds))
    if kind == "dictionary":
        return pa.dictionary(pa.int8(), pa.string()), st.none() | _TEXT
    if kind == "scalar":
        type = draw(st.sampled_from(list(SCALARS)))
        return type, st.none() | SCALARS[type]
    inner, values = draw(types(depth=depth - 1))
    if kind == "list":
        make = draw(st.sampled_from([pa.list_, pa.large_list, pa.list_view, pa.large_list_view]))
        return make(inner), st.none() | st.lists(values, max_size=3)
    if kind == "fixed":
        return pa.list_(inner, 2), st.none() | st.lists(values, min_size=2, max_size=2)
    if kind == "map":
        keys = draw(st.sampled_from([pa.string(), pa.int64(), pa.date32()]))
        return pa.map_(keys, inner), st.none() | st.lists(st.tuples(SCALARS[keys], values), max_size=3)
    other, others = draw(types(depth=0))
    type = pa.struct([("a", inner), ('b"\\', other)])
    return type, st.none() | st.fixed_dictionaries({"a": values, 'b"\\': others})


@st.composite
def arrays(draw: st.DrawFn) -> pa.Array:
    """Draw an array, or a part of a longer one, of any type that Python values can be put into."""
    type, values = draw(types())
    array = make(draw(st.lists(values, max_size=6)), type)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:  # a null in a record that is null, above a dictionary without values
        assume(False)
    start = draw(st.integers(0, len(array)))
    return array.slice(start, draw(st.integers(0, len(array) - start)))


def make(values: list[Any], type: pa.DataType) -> pa.Array:
    """Make an array; of dictionaries as Arrow makes them."""
    return pa.array(values, type)


def run_end_encoded(values: list[Any], type: pa.DataType) -> pa.Array:
    """Make a run-end encoded array."""
    return pc.run_end_encode(pa.array(values, type))
