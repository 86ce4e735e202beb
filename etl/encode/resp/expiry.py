"""Columns of times as Redis takes them, in milliseconds: ``90m``, ``1.5``, ``2030-01-31T12:00:00+01:00``."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.protocol import BINARY
from etl.times import DURATION, ISO_8601, MAX_MS, SECONDS, UNITS_MS

_UNITS = pa.array([unit.encode() for unit in UNITS_MS], BINARY)
_UNIT_MS = pa.array(UNITS_MS.values(), pa.float64())


def durations(text: pa.Array) -> pa.Array:
    """Return the milliseconds of durations (``binary``), as text; null for what is none, or is 0."""
    if _all_are(text, SECONDS):
        return _as_text(pc.multiply(text.cast(pa.string()).cast(pa.float64()), 1000.0), text)
    found = pc.extract_regex(text, f"^{DURATION}$")
    unit = _UNIT_MS.take(pc.index_in(found.field("unit"), _UNITS))
    return _as_text(pc.multiply(_floats(found, "number"), unit), found)


def instants(text: pa.Array) -> pa.Array:
    """Return the milliseconds since 1970 of seconds or ISO 8601 times (``binary``), as text; else null."""
    if _all_are(text, SECONDS):
        return _as_text(pc.multiply(text.cast(pa.string()).cast(pa.float64()), 1000.0), text)
    if _all_are(text, ISO_8601):
        # To take times apart by a pattern costs twenty times as much as Arrow's own parser, which does not
        # take all of them in one column: with and without a zone, and a day that is not in the calendar.
        for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
            try:
                since = text.cast(pa.string()).cast(kind).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            return _as_text(pc.divide(since.cast(pa.float64(), safe=False), 1000.0), text)
    found = pc.extract_regex(text, f"^{SECONDS}$")
    seconds = _as_text(pc.multiply(_floats(found, "number"), 1000.0), found)
    if seconds.null_count == text.null_count:
        return seconds
    return pc.coalesce(seconds, _iso_8601(text))


def _all_are(text: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, f"^{pattern}$")).as_py())


def _iso_8601(text: pa.Array) -> pa.Array:
    found = pc.extract_regex(text, f"^{ISO_8601}$")
    # The first of a month is always in the calendar; a day that is not leads into the next month.
    month = pc.binary_join_element_wise(_strings(found, "month"), "01", "-").cast(pa.date32())
    day = pc.add(month.cast(pa.int32()).cast(pa.int64()), pc.subtract(_integers(found, "day"), 1))
    date = day.cast(pa.int32()).cast(pa.date32())
    real = pc.equal(pc.month(date), pc.month(month))
    zone = pc.replace_substring(_strings(found, "zone"), ":", "")
    east = pc.match_substring_regex(zone, "^[+-]")
    digits = pc.if_else(east, pc.utf8_slice_codeunits(zone, 1), "0000")
    minutes = pc.add(
        pc.multiply(pc.utf8_slice_codeunits(digits, 0, 2).cast(pa.int64()), 60),
        pc.utf8_slice_codeunits(digits, 2).cast(pa.int64()),
    )
    offset = pc.if_else(pc.match_substring_regex(zone, "^-"), pc.negate(minutes), minutes)
    minute = pc.add(pc.multiply(_integers(found, "hour"), 60), _integers(found, "minute"))
    second = pc.replace_substring_regex(_strings(found, "second"), "^:", "")
    seconds = pc.if_else(pc.equal(second, ""), "0", second).cast(pa.float64())
    whole = pc.add(pc.multiply(day.cast(pa.int64()), 1440), pc.subtract(minute, offset))
    milliseconds = pc.add(pc.multiply(whole.cast(pa.float64()), 60_000.0), pc.multiply(seconds, 1000.0))
    return _as_text(pc.if_else(real, milliseconds, None), found)


def _strings(found: pa.Array, name: str) -> pa.Array:
    """Return a part of what was found; null where nothing was (Arrow leaves an empty text there)."""
    return pc.if_else(found.is_valid(), found.field(name), None).cast(pa.string())


def _integers(found: pa.Array, name: str) -> pa.Array:
    text = _strings(found, name)
    return pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64())


def _floats(found: pa.Array, name: str) -> pa.Array:
    return _strings(found, name).cast(pa.float64())


def _as_text(milliseconds: pa.Array, found: pa.Array) -> pa.Array:
    """Return positive whole numbers as text; null for others, and where nothing was found."""
    rounded = pc.round(milliseconds)
    good = pc.and_(pc.greater_equal(rounded, 1.0), pc.less_equal(rounded, float(MAX_MS)))
    kept = pc.if_else(pc.and_(good, found.is_valid()), rounded, None)
    return kept.cast(pa.int64()).cast(pa.string()).cast(BINARY)
