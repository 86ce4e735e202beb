"""Text of Arrow's scalar types, whole columns at a time; the table of them is in ``value/text.py``."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import SourceError
from etl.source.value import times as arrow_times

BINARY = pa.binary()
NOTHING = pa.scalar(None, BINARY)

_EXACT_INTEGER = float(1 << 53)  # below it, an integer's digits are a double's shortest digits
_PLAIN_SCALE = 6


def is_nested(type: pa.DataType) -> bool:
    """Return True if values of this type hold other values."""
    return bool(pa.types.is_nested(type)) and not pa.types.is_union(type)


def scalar_text(array: pa.Array) -> pa.Array:
    """Return the text of every value of a column of scalars, ``binary``; null stays null."""
    for belongs, convert in _CONVERTERS:
        if belongs(array.type):
            return convert(array)
    raise SourceError(f"columns of the Arrow type {array.type} have no text: leave them out with --exclude")


def _cast(array: pa.Array) -> pa.Array:
    return array.cast(pa.string()).cast(BINARY)


def _bytes(array: pa.Array) -> pa.Array:
    return array.cast(BINARY)


def _nothing(array: pa.Array) -> pa.Array:
    return pa.nulls(len(array), BINARY)


def _floats(array: pa.Array) -> pa.Array:
    """Write floats as Python's ``repr`` does.

    Arrow finds the shortest digits, but writes 1.0 as ``1``, has an exponent from 1e10 on (Python: from
    1e16 on) and none, or one with a single digit, below 1e-4 (Python: always one, of two digits).
    """
    text = array.cast(pa.string())
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    size = pc.abs(array)
    whole = pc.equal(pc.trunc(array), array)
    text = pc.binary_join_element_wise(text, pc.if_else(pc.and_(whole, pc.less(size, 1e10)), ".0", ""), "")
    tiny = pc.and_(pc.less(size, 1e-4), pc.greater(size, 1e-11))
    large = pc.and_(pc.greater_equal(size, 1e10), pc.less(size, 1e17))
    other = pc.fill_null(pc.or_(tiny, large), False)
    if not other.true_count:
        return text.cast(BINARY)
    if pa.types.is_float64(array.type):
        long = pc.fill_null(pc.and_(pc.and_(other, whole), pc.less(size, _EXACT_INTEGER)), False)
        integers = pc.if_else(long, array, 0.0).cast(pa.int64()).cast(pa.string())
        text = pc.if_else(long, pc.binary_join_element_wise(integers, ".0", ""), text)
        other = pc.and_not(other, long)
    if other.true_count:
        # Few columns have such values, so that a loop over these is cheaper than five passes over all.
        rare = [repr(float(value)) for value in text.filter(other).to_pylist()]
        text = pc.replace_with_mask(text, other, pa.array(rare, pa.string()))
    return text.cast(BINARY)


def _decimals(array: pa.Array) -> pa.Array:
    scale = array.type.scale
    if 0 <= scale <= _PLAIN_SCALE:
        return _cast(array)
    # Arrow writes these as BigDecimal does, with an exponent (zero is 0E-10): the point is put in by hand.
    digits = array.view(_decimal_type(array.type.bit_width)(array.type.precision, 0)).cast(pa.string())
    if scale < 0:
        zero = pc.equal(digits, "0")
        return pc.binary_join_element_wise(digits, pc.if_else(zero, "", "0" * -scale), "").cast(BINARY)
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    digits = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), scale + 1, "0")
    whole = pc.utf8_slice_codeunits(digits, 0, -scale)
    fraction = pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(sign, whole, ".", fraction, "").cast(BINARY)


def _decimal_type(bits: int) -> Callable[[int, int], pa.DataType]:
    factories: dict[int, Callable[[int, int], pa.DataType]] = {
        32: pa.decimal32,
        64: pa.decimal64,
        128: pa.decimal128,
        256: pa.decimal256,
    }
    return factories[bits]


def is_text(type: pa.DataType) -> bool:
    """Return True if values of this type are strings."""
    return any(
        belongs(type) for belongs in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def is_bytes(type: pa.DataType) -> bool:
    """Return True if values of this type are bytes that need not be text."""
    return any(
        belongs(type)
        for belongs in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


_Converter = tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]

_CONVERTERS: tuple[_Converter, ...] = (
    (is_text, _bytes),
    (pa.types.is_decimal, _decimals),
    (is_bytes, _bytes),
    (pa.types.is_integer, _cast),
    (pa.types.is_floating, _floats),
    (pa.types.is_boolean, _cast),
    (pa.types.is_null, _nothing),
    (pa.types.is_timestamp, arrow_times.timestamps),
    (pa.types.is_date, arrow_times.dates),
    (pa.types.is_time, arrow_times.times),
    (pa.types.is_duration, arrow_times.durations),
    (pa.types.is_interval, arrow_times.intervals),
)
