"""What the value of an option may be: each function takes a text (or a Python value) and returns the value.

They also take what they have returned. They raise ValueError or TypeError with the rest of a sentence about
the option: ``must be a whole number``.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl.rate import Rate, parse_rate
from etl.report import RejectLimit, parse_reject_limit
from etl.shards import MAX_SHARDS, ShardNumber, parse_shard
from etl.template import Milliseconds, Template, parse_template
from etl.times import A_DURATION, AN_INSTANT, MAX_MS, parse_duration, parse_instant
from etl.units import MAX_RECORD_BYTES

MIN_MEMORY_BYTES = 1_000_000

MAX_PACKED = 512
"""The most fields of a hash that Redis keeps as a listpack (``hash-max-listpack-entries``)."""


def switch(value: Any) -> bool:
    """Return True or False, and take nothing else for it."""
    if not isinstance(value, bool):
        raise TypeError("must be True or False")
    return value


def as_text(value: Any) -> str:
    """Return a text, or the text of a path."""
    try:
        text = os.fspath(value)
    except TypeError:
        raise TypeError("must be text (str)") from None
    if not isinstance(text, str):
        raise TypeError("must be text (str)")
    return text


def whole_number(value: Any) -> int:
    """Return a whole number from 1."""
    return _whole(value, "must be a whole number from 1", least=1)


def count(value: Any) -> int:
    """Return a whole number from 0."""
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


def listening(value: Any) -> tuple[str, int]:
    """Return the host and the port (0: any) of ``HOST[:PORT]``; an IPv6 address with a port has brackets."""
    rule = "must be HOST or HOST:PORT, an address of this machine"
    if isinstance(value, tuple):
        value = listening_text(value)
    text = as_text(value)
    found = re.fullmatch(
        r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|[^\s:\[\]/@]+)(?::(\d{1,5}))?", text
    )
    if found is None or int(found[2] or 0) > 65_535:
        raise ValueError(rule)
    return found[1].strip("[]"), int(found[2] or 0)


def listening_text(value: tuple[str, int]) -> str:
    """Return what ``listening`` has parsed as it is given."""
    host, port = value
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


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


def keeping(value: Any) -> float:
    """Return the seconds of a duration from one second on."""
    if isinstance(value, bool):
        raise TypeError(f"must be {A_DURATION}")
    if isinstance(value, timedelta):
        value = value.total_seconds()
    number = parse_duration(str(value))
    if not 1 <= number <= 1e10:
        raise ValueError("must be from 1 second to 10,000,000,000")
    return number


def rate(value: Any) -> Rate:
    """Return records or bytes a second: of ``5000``, ``50MB``."""
    return value if isinstance(value, Rate) else parse_rate(str(value))


def record_bytes(value: Any) -> int:
    """Return the bytes of ``64MB``, ``500kB``, ``1MiB`` or a number."""
    number = _bytes(value)
    if not 1 <= number <= MAX_RECORD_BYTES:
        raise ValueError("must be from 1 byte to 512MiB, the longest value that Redis takes")
    return number


def memory_bytes(value: Any) -> int:
    """Return the bytes of ``256MB``, ``1GB`` or a number, from 1 MB on."""
    number = _bytes(value)
    if number < MIN_MEMORY_BYTES:
        raise ValueError("must be at least 1MB")
    return number


def _bytes(value: Any) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMG]?)(i?)B?", str(value))
    if isinstance(value, bool) or match is None or bool(match[3]) > bool(match[2]):
        raise ValueError("must be a size like 64MB, 500kB or 1MiB")
    factor = (1024 if match[3] else 1000) ** {"": 0, "k": 1, "K": 1, "M": 2, "G": 3}[match[2]]
    return int(float(match[1]) * factor)


def job_name(text: str) -> str:
    """Return a name that can be part of a key in any database, and of a file's name."""
    text = as_text(text)
    if not text or len(text) > 200 or not text.isprintable() or any(letter in "{}:/" for letter in text):
        raise ValueError("must be a name of up to 200 characters without { } : /")
    return text


def pack(value: Any) -> int:
    """Return how many strings go into a hash."""
    rule = f"must be a whole number from 2 to {MAX_PACKED}"
    number = _whole(value, rule, least=2)
    if number > MAX_PACKED:
        raise ValueError(rule)
    return number


@dataclass(frozen=True, slots=True)
class ExpiryTime:
    """When keys expire: ``text`` as it was given, and the ``template`` of the milliseconds that it means."""

    text: str
    template: Template

    def __str__(self) -> str:
        return self.text


def ttl(value: Any) -> ExpiryTime:
    """Return what a duration or a template means. A duration from Python may be a number or a timedelta."""
    if isinstance(value, bool):
        raise TypeError(f"must be {A_DURATION}, or a template")
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return value if isinstance(value, ExpiryTime) else _expiry(str(value), "--ttl", _duration_ms)


def instant(value: Any) -> ExpiryTime:
    """Return what a time or a template means. From Python it may be a number or a datetime."""
    if isinstance(value, bool):
        raise TypeError(f"must be {AN_INSTANT}, or a template")
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return value if isinstance(value, ExpiryTime) else _expiry(text, "--expire-at", parse_instant)


def _expiry(text: str, option: str, milliseconds: Callable[[str], int]) -> ExpiryTime:
    """Raises ValueError, and UsageError for what is wrong with a template."""
    template = parse_template(text, option=option)
    if not template.constant:
        absolute = milliseconds is parse_instant
        return ExpiryTime(text, Template((Milliseconds(template, absolute),), template.origin))
    try:
        number = milliseconds(text)
    except ValueError as error:
        raise ValueError(f"{error}, or a template") from None
    return ExpiryTime(text, Template((b"%d" % number,), template.origin))


def _duration_ms(text: str) -> int:
    number = round(parse_duration(text) * 1000)
    if not 1 <= number <= MAX_MS:
        raise ValueError("must be at least 1 ms and at most 100,000,000,000 seconds")
    return number


def reject_limit(value: Any) -> RejectLimit:
    """Return how many records may be refused: of ``10``, ``0.5%``."""
    return value if isinstance(value, RejectLimit) else parse_reject_limit(str(value))


def reject_limit_text(limit: RejectLimit) -> str:
    """Return a limit of rejects as a command line has it."""
    return str(limit.count) if limit.count is not None else f"{limit.percent!r}%"


def shard(value: Any) -> ShardNumber:
    """Return which shard of how many: of ``3/16``."""
    return value if isinstance(value, ShardNumber) else parse_shard(str(value))


def shards(value: Any) -> int:
    """Return how many shards a job is cut into."""
    rule = f"must be a whole number from 1 to {MAX_SHARDS:,}"
    number = _whole(value, rule, least=1)
    if number > MAX_SHARDS:
        raise ValueError(rule)
    return number


def names(value: Any) -> tuple[str, ...]:
    """Return names that have commas between them; from Python they may come as a list."""
    rule = "must be names with commas between them (A,B)"
    if isinstance(value, str):
        value = value.split(",")
        if not all(value):
            raise ValueError(rule)
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise TypeError(rule)
    parts = tuple(value)
    if not parts or not all(isinstance(part, str) and part and "," not in part for part in parts):
        raise TypeError(rule)
    return parts


def names_text(names: tuple[str, ...]) -> str:
    """Return names as a command line has them."""
    return ",".join(names)


def renaming(value: Any) -> tuple[str, str]:
    """Return the old and the new name of ``OLD=NEW``; from Python they may come as a pair."""
    if isinstance(value, tuple) and len(value) == 2:
        old, new = map(as_text, value)
    else:
        old, _, new = as_text(value).partition("=")
    if not (old and new):
        raise ValueError("must be OLD=NEW")
    return old, new


def renaming_text(pair: tuple[str, str]) -> str:
    """Return a renaming as a command line has it."""
    return "=".join(pair)


def character(value: Any) -> str:
    """Return one ASCII character; ``\\t`` is a tab."""
    text = as_text(value)
    text = {"\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in "\r\n":
        raise ValueError("must be one ASCII character, no line break")
    return text


def quote(value: Any) -> str:
    """Return one ASCII character, or empty text for none."""
    return "" if value == "" else character(value)
