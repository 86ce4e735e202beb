"""Scores: texts read as numbers as Redis reads them (``src/util.c``, ``string2d``: C's ``strtod``)."""

from __future__ import annotations

import math
import re

import pyarrow as pa
import pyarrow.compute as pc

_NO_ZERO = r"^[+-]?[0.]*[1-9]"
_SPELLED = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[+-]?0x[0-9a-f.]+(?:p[+-]?[0-9]+)?", re.IGNORECASE)
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)


def parse_scores(texts: pa.Array) -> pa.Array:
    """Return the numbers (float64) of texts (``binary``); null for what is none, or a null.

    No number are also NaN, and what is too large for a double, or so small that it would be 0.
    """
    try:
        numbers = texts.cast(pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return pa.array(map(_score, texts.to_pylist()), pa.float64())
    doubtful = pc.or_(pc.invert(pc.is_finite(numbers)), pc.equal(numbers, 0.0))
    if not doubtful.true_count:
        return numbers
    zero = pc.invert(pc.match_substring_regex(texts, _NO_ZERO))
    if pc.all(pc.if_else(doubtful, pc.and_(zero, pc.is_finite(numbers)), True)).as_py():
        return numbers
    return pa.array(map(_score, texts.to_pylist()), pa.float64())


def _score(text: bytes | None) -> float | None:
    if text is None:
        return None
    if _SPELLED.fullmatch(text):
        return float(text)
    if _DECIMAL.fullmatch(text):
        number = float(text)
        lost = number == 0 and re.match(_NO_ZERO.encode(), text)
        return None if math.isinf(number) or lost else number
    return _hexadecimal(text) if _HEXADECIMAL.fullmatch(text) else None


def _hexadecimal(text: bytes) -> float | None:
    try:
        number = float.fromhex(text.decode())
    except (ValueError, OverflowError):
        return None
    digits = text.lower().split(b"x", 1)[1].split(b"p")[0]
    return None if number == 0 and digits.strip(b"0.") else number
