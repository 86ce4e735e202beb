"""Text of Arrow's dates and times, ISO 8601, whole columns at a time; the table is in ``value/text.py``.

Arrow's calendar has the years 0 to 9999 (as ISO 8601 has, where no more is agreed upon); a value outside of
them is written as the integer that is stored.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

_BINARY = pa.binary()
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}

_DAY = 86_400
_FIRST_DAY = -719_528  # 0000-01-01
_LAST_DAY = 2_932_896  # 9999-12-31


def timestamps(array: pa.Array) -> pa.Array:
    """Write timestamps: local time and offset where they have a zone."""
    zone = array.type.tz
    if not zone:
        return _within(array, _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY, _naive).cast(_BINARY)
    if zone in ("UTC", "Etc/UTC", "Z", "+00:00"):
        return _zulu(array)
    try:
        return _zoned(array).cast(_BINARY)
    except pa.ArrowInvalid:
        return _zulu(array)  # a zone that this machine does not know: the same instants


def _zulu(array: pa.Array) -> pa.Array:
    naive = array.view(pa.timestamp(array.type.unit))
    return _within(naive, _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY, _utc).cast(_BINARY)


def _naive(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    whole = pc.utf8_slice_codeunits(text, 11, 19)
    return _join(pc.utf8_slice_codeunits(text, 0, 10), "T", whole, _fraction(array, text, 19))


def _utc(array: pa.Array) -> pa.Array:
    return _join(_naive(array), "Z")


def _zoned(array: pa.Array) -> pa.Array:
    """Write local times and their offsets; what is outside of the local years 0 to 9999 as integers.

    In whole seconds: of nanoseconds near the bounds of int64 the local time is no int64, and Arrow, which
    does not look, would write a time of another century.
    """
    integers = _integers(array)
    seconds = _floor(integers, _PER_SECOND[array.type.unit])
    near = _between(seconds, (_FIRST_DAY - 1) * _DAY, (_LAST_DAY + 2) * _DAY)
    seconds = pc.if_else(near, seconds, pa.scalar(None, pa.int64()))
    local = pc.local_timestamp(seconds.view(pa.timestamp("s", array.type.tz)))
    inside = _between(local.view(pa.int64()), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY)
    local = pc.if_else(inside, local, pa.scalar(None, local.type))
    offsets = pc.subtract(local.view(pa.int64()), seconds).dictionary_encode()
    zones = pa.array([_offset(offset) for offset in offsets.dictionary.to_pylist()], pa.string())
    text = local.cast(pa.string())
    known = _join(
        pc.utf8_slice_codeunits(text, 0, 10),
        "T",
        pc.utf8_slice_codeunits(text, 11, 19),
        _fraction_of(integers, array.type.unit),
        zones.take(offsets.indices),
    )
    return pc.coalesce(known, integers.cast(pa.string()))


def _offset(seconds: int) -> str:
    """Write an offset from UTC; with seconds, as Python does, where a zone's own local time once had them."""
    if not seconds:
        return "Z"
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")


def _fraction_of(integers: pa.Array, unit: str) -> pa.Array | str:
    """Write the digits behind whole seconds, with the point; nothing where they are all zero."""
    if not _DIGITS[unit]:
        return ""
    per_second = _PER_SECOND[unit]
    rest = pc.subtract(integers, pc.multiply(_floor(integers, per_second), per_second))
    digits = pc.utf8_lpad(rest.cast(pa.string()), _DIGITS[unit], "0")
    return pc.if_else(pc.equal(rest, 0), "", _join(".", digits))


def _floor(integers: pa.Array, divisor: int) -> pa.Array:
    """Divide, and round down also below zero, where Arrow cuts off."""
    quotient = pc.divide(integers, divisor)
    return pc.subtract(
        quotient, pc.less(pc.subtract(integers, pc.multiply(quotient, divisor)), 0).cast(pa.int64())
    )


def _between(integers: pa.Array, first: int, stop: int) -> pa.Array:
    return pc.and_(pc.greater_equal(integers, first), pc.less(integers, stop))


def dates(array: pa.Array) -> pa.Array:
    """Write dates."""
    if pa.types.is_date64(array.type):
        array = array.view(pa.timestamp("ms"))
        return _within(array, _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY, _day_of).cast(_BINARY)
    return _within(array, _FIRST_DAY, _LAST_DAY + 1, _day_of).cast(_BINARY)


def _day_of(array: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(array.cast(pa.string()), 0, 10)


def times(array: pa.Array) -> pa.Array:
    """Write times of day."""
    return _within(array, 0, _DAY, _time_of_day).cast(_BINARY)


def _time_of_day(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    return _join(pc.utf8_slice_codeunits(text, 0, 8), _fraction(array, text, 8))


def durations(array: pa.Array) -> pa.Array:
    """Write durations, in seconds."""
    text = _integers(array).cast(pa.string())
    sign = pc.if_else(pc.starts_with(text, "-"), "-PT", "PT")
    digits = _DIGITS[array.type.unit]
    text = pc.utf8_lpad(pc.utf8_ltrim(text, "-"), digits + 1, "0")
    if not digits:
        return _join(sign, text, "S").cast(_BINARY)
    seconds = pc.utf8_slice_codeunits(text, 0, -digits)
    fraction = _join(".", pc.utf8_slice_codeunits(text, -digits))
    return _join(sign, seconds, pc.if_else(_is_whole(array), "", fraction), "S").cast(_BINARY)


def intervals(array: pa.Array) -> pa.Array:
    """Write intervals of months, days and nanoseconds."""
    return pa.array([None if value is None else _interval(*value) for value in array.to_pylist()], _BINARY)


def _interval(months: int, days: int, nanoseconds: int) -> bytes:
    text = "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if nanoseconds or text == "P":
        seconds, fraction = divmod(abs(nanoseconds), _PER_SECOND["ns"])
        sign = "-" if nanoseconds < 0 else ""
        text += f"T{sign}{seconds}" + (f".{fraction:09d}".rstrip("0") if fraction else "") + "S"
    return text.encode()


def _fraction(array: pa.Array, text: pa.Array, start: int) -> pa.Array:
    """Return what stands after the seconds: the point and the unit's digits; nothing where all are 0."""
    fraction = pc.utf8_slice_codeunits(text, start)
    return pc.if_else(_is_whole(array), "", fraction)


def _is_whole(array: pa.Array) -> pa.Array:
    unit = _PER_SECOND[array.type.unit]
    integers = _integers(array)
    return pc.equal(pc.multiply(pc.divide(integers, unit), unit), integers)


def _integers(array: pa.Array) -> pa.Array:
    return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())


def _within(array: pa.Array, first: int, stop: int, write: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Write the values from ``first`` up to ``stop`` (seconds; days of a date32), the others as integers."""
    integers = _integers(array)
    unit = 1 if pa.types.is_date32(array.type) else _PER_SECOND[array.type.unit]
    ends = pc.min_max(integers)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    if least is None or (least >= first * unit and most < stop * unit):
        return write(array)
    inside = pa.array([True] * len(array))
    if least < first * unit:
        inside = pc.and_(inside, pc.greater_equal(integers, first * unit))
    if most >= stop * unit:
        inside = pc.and_(inside, pc.less(integers, stop * unit))
    known = write(pc.if_else(inside, array, pa.scalar(None, array.type)))
    return pc.coalesce(known, integers.cast(pa.string()))


def _join(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")
