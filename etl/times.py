"""Times as people write them: how long (``90m``), and when (ISO 8601, or seconds since 1970).

The patterns are in the syntax that Python's ``re`` and RE2 have in common: ``encode/expiry.py`` reads whole
columns by the same ones.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

UNITS_MS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds of a unit; a number without any is seconds."""

DURATION = "(?P<number>[0-9]{1,15}(?:[.][0-9]{1,9})?)(?P<unit>ms|s|m|h|d|w|)"
SECONDS = "(?P<number>[0-9]{1,12}(?:[.][0-9]{1,9})?)"
ISO_8601 = (
    "(?P<month>[0-9]{4}-(?:0[1-9]|1[0-2]))-(?P<day>0[1-9]|[12][0-9]|3[01])"
    "(?:[Tt ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?P<second>:[0-5][0-9](?:[.][0-9]{1,9})?)?)?"
    "(?P<zone>[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
)
"""A date, or a date and a time of day; without a zone it is UTC (https://www.rfc-editor.org/rfc/rfc3339)."""

MAX_MS = 10**14
"""3,000 years: the longest expiry, and the last time, that is taken; Redis's own limit is not far beyond."""

A_DURATION = "a time such as 30 (seconds), 1.5, 90m, 1h or 7d"
AN_INSTANT = "a time such as 2030-01-31T12:00:00Z (without a zone: UTC), or seconds since 1970"


def parse_duration(text: str) -> float:
    """Return the seconds of ``30``, ``1.5``, ``500ms``, ``90m``, ``1h``, ``7d``. Raises ValueError."""
    match = re.fullmatch(DURATION, text)
    if match is None:
        raise ValueError(f"must be {A_DURATION}")
    return float(match["number"]) * UNITS_MS[match["unit"]] / 1000


def parse_instant(text: str) -> int:
    """Return the milliseconds since 1970 of an ISO 8601 time or of seconds since 1970. Raises ValueError."""
    match = re.fullmatch(SECONDS, text)
    milliseconds = round(float(text) * 1000) if match is not None else _parse_iso(text)
    if not 0 < milliseconds <= MAX_MS:
        raise ValueError(f"must be {AN_INSTANT}, after 1970")
    return milliseconds


def _parse_iso(text: str) -> int:
    match = re.fullmatch(ISO_8601, text)
    if match is None:
        raise ValueError(f"must be {AN_INSTANT}")
    try:
        start = datetime.strptime(f"{match['month']}-{match['day']}", "%Y-%m-%d")
    except ValueError:  # 30 February
        raise ValueError(f"must be {AN_INSTANT}: this day is not in the calendar") from None
    since = start.replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    since += timedelta(hours=int(match["hour"] or 0), minutes=int(match["minute"] or 0))
    zone = (match["zone"] or "Z").upper().replace(":", "")
    offset = timedelta() if zone == "Z" else timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    seconds = float((match["second"] or ":0")[1:])
    return (since - offset) // timedelta(milliseconds=1) + round(seconds * 1000)
