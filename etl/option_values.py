"""What the value of an option may be: each function takes a text (or a Python value) and gives the value.

They raise ValueError or TypeError with the rest of a sentence about the value: ``must be 1 or more``.
"""

from __future__ import annotations

import operator
import os
import re
from typing import Any

from etl.budget import parse_budget
from etl.units import MAX_RECORD_BYTES

MOST_PACKED = 512
"""The most fields of a hash that Redis keeps as a listpack (``hash-max-listpack-entries``)."""


def as_text(value: Any) -> str:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError("must be text (str), not bytes")
    return text


def whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("must be a whole number")
    number = int(value) if isinstance(value, str) else operator.index(value)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def count(value: Any) -> int:
    return 0 if str(value) == "0" else whole_number(value)


def seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("is a number of seconds")
    number = float(value)
    if not 0 <= number <= 1e9:
        raise ValueError("is a number of seconds, 0 or more")
    return number


def parse_duration(text: str) -> float:
    """Read ``90``, ``1.5`` (seconds), ``30s``, ``90m``, ``12h``, ``7d`` or ``2w``; give seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text)
    if match is None:
        raise ValueError("is a number of seconds, or of minutes, hours, days or weeks as in 90m, 12h, 7d, 2w")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]


def keeping(value: Any) -> str:
    if isinstance(value, bool):
        raise TypeError("is a time, as in 30d, 12h or 600")
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
        raise ValueError("is a number of records, or of bytes as in 50MB, a second")
    factor = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    return float(match[1]) * factor, "bytes" if match[3] else "records"


def record_bytes(value: Any) -> int:
    """Read ``64MB``, ``500kB``, ``1MiB`` or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKM]?)(i?)B?", str(value))
    if isinstance(value, bool) or match is None or bool(match[3]) > bool(match[2]):
        raise ValueError("is a size like 64MB, 500kB or 1MiB")
    factor = (1024 if match[3] else 1000) ** {"": 0, "k": 1, "K": 1, "M": 2}[match[2]]
    number = int(float(match[1]) * factor)
    if not 1 <= number <= MAX_RECORD_BYTES:
        raise ValueError("must be from 1 byte to 512MiB, the longest value that Redis takes")
    return number


def job_name(text: str) -> str:
    text = as_text(text)
    if not text or len(text) > 200 or not text.isprintable() or any(letter in "{}:/" for letter in text):
        raise ValueError("is a name of up to 200 characters without { } : /")
    return text


def pack(value: Any) -> int:
    number = whole_number(value)
    if not 2 <= number <= MOST_PACKED:
        raise ValueError(f"must be from 2 to {MOST_PACKED}")
    return number


def ttl(text: str) -> str:
    text = str(text)
    if "{" in text:
        return text
    if not 0.001 <= float(text) <= 1e11:
        raise ValueError("must be at least 0.001 and at most 100,000,000,000 seconds, or a template")
    return text


def budget(text: str) -> str:
    parse_budget(str(text))
    return str(text)


def names(text: str) -> str:
    if not all(text.split(",")):
        raise ValueError("is a list of names with commas between them")
    return text


def renaming(text: str) -> str:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ValueError("is OLD=NEW")
    return text


def character(text: str) -> str:
    text = {"\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in "\r\n":
        raise ValueError("is one ASCII character, no line break")
    return text


def quote(text: str) -> str:
    return text if text == "" else character(text)
