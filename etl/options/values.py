"""What the value of an option may be: each function takes a text (or a Python value) and gives the value.

They raise ValueError or TypeError with the rest of a sentence about the option: ``must be a whole number``.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from etl.report import parse_budget
from etl.times import A_DURATION, AN_INSTANT, MAX_MS, parse_duration, parse_instant
from etl.units import MAX_RECORD_BYTES

MOST_PACKED = 512
"""The most fields of a hash that Redis keeps as a listpack (``hash-max-listpack-entries``)."""


def as_text(value: Any) -> str:
    try:
        text = os.fspath(value)
    except TypeError:
        raise TypeError("must be text (str)") from None
    if not isinstance(text, str):
        raise TypeError("must be text (str)")
    return text


def whole_number(value: Any) -> int:
    return _whole(value, "must be a whole number from 1", least=1)


def count(value: Any) -> int:
    return _whole(value, "must be a whole number from 0", least=0)


def _whole(value: Any, rule: str, *, least: int) -> int:
    if isinstance(value, bool):
        raise TypeError(rule)
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):  # what Python says of it is for programmers
        raise ValueError(rule) from None
    if number < least:
        raise ValueError(rule)
    return number


def duration(value: Any) -> float:
    """Return the seconds of a number, a text such as ``90m``, or a timedelta."""
    rule = f"must be {A_DURATION}"
    if isinstance(value, bool):
        raise TypeError(rule)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str):
        number = parse_duration(value)
    else:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(rule) from None
    if not 0 <= number <= 1e9:
        raise ValueError(f"{rule}, and no more than 30 years")
    return number


def keeping(value: Any) -> str:
    """Return the text of a duration from one second on."""
    if isinstance(value, bool):
        raise TypeError(f"must be {A_DURATION}")
    if isinstance(value, timedelta):
        value = value.total_seconds()
    text = str(value)
    if not 1 <= parse_duration(text) <= 1e10:
        raise ValueError("must be from 1 second to 10,000,000,000")
    return text


def rate(value: Any) -> str:
    parse_rate(str(value))
    return str(value)


def parse_rate(text: str) -> tuple[float, str]:
    """Read ``5000`` (records a second) or ``50MB``, ``800kB``, ``1.5GB`` (bytes); give number and unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKMG]?)(B?)", text)
    if match is None or float(match[1]) <= 0 or bool(match[2]) > bool(match[3]):
        raise ValueError("must be records a second (5000), or bytes a second (800kB, 50MB, 1.5GB)")
    factor = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    return float(match[1]) * factor, "bytes" if match[3] else "records"


def record_bytes(value: Any) -> int:
    """Read ``64MB``, ``500kB``, ``1MiB`` or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKM]?)(i?)B?", str(value))
    if isinstance(value, bool) or match is None or bool(match[3]) > bool(match[2]):
        raise ValueError("must be a size like 64MB, 500kB or 1MiB")
    factor = (1024 if match[3] else 1000) ** {"": 0, "k": 1, "K": 1, "M": 2}[match[2]]
    number = int(float(match[1]) * factor)
    if not 1 <= number <= MAX_RECORD_BYTES:
        raise ValueError("must be from 1 byte to 512MiB, the longest value that Redis takes")
    return number


def job_name(text: str) -> str:
    text = as_text(text)
    if not text or len(text) > 200 or not text.isprintable() or any(letter in "{}:/" for letter in text):
        raise ValueError("must be a name of up to 200 characters without { } : /")
    return text


def pack(value: Any) -> int:
    rule = f"must be a whole number from 2 to {MOST_PACKED}"
    number = _whole(value, rule, least=2)
    if number > MOST_PACKED:
        raise ValueError(rule)
    return number


def ttl(value: Any) -> str:
    """Return the text of a duration or a template. A duration from Python may be a number or a timedelta."""
    if isinstance(value, bool):
        raise TypeError(f"must be {A_DURATION}, or a template")
    if isinstance(value, timedelta):
        value = value.total_seconds()
    text = str(value)
    if "{" in text or "}" in text:
        return text
    try:
        number = parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{error}, or a template") from None
    if not 1 <= round(number * 1000) <= MAX_MS:
        raise ValueError("must be at least 1 ms and at most 100,000,000,000 seconds, or a template")
    return text


def instant(value: Any) -> str:
    """Return the text of a time or a template. From Python it may be a number or a datetime."""
    if isinstance(value, bool):
        raise TypeError(f"must be {AN_INSTANT}, or a template")
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if "{" not in text and "}" not in text:
        try:
            parse_instant(text)
        except ValueError as error:
            raise ValueError(f"{error}, or a template") from None
    return text


def budget(value: Any) -> str:
    parse_budget(str(value))
    return str(value)


def names(value: Any) -> str:
    """Return names with commas between them; from Python they may come as a list."""
    rule = "must be names with commas between them (A,B)"
    if not isinstance(value, str):
        if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
            raise TypeError(rule)
        parts = list(value)
        if not all(isinstance(part, str) and "," not in part for part in parts):
            raise TypeError(rule)
        value = ",".join(parts)
    text = str(value)
    if not all(text.split(",")):
        raise ValueError(rule)
    return text


def renaming(value: Any) -> str:
    text = as_text(value)
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ValueError("must be OLD=NEW")
    return text


def character(value: Any) -> str:
    text = as_text(value)
    text = {"\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in "\r\n":
        raise ValueError("must be one ASCII character, no line break")
    return text


def quote(value: Any) -> str:
    return "" if value == "" else character(value)
