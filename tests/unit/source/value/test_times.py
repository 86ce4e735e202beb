"""Timestamps up to the bounds of int64, by a calendar of the test's own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pytest

from etl.source.value.text import text_of

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
LEAST, MOST = -(2**63), 2**63 - 1
YEAR_0, YEAR_10000 = -62_167_219_200, 253_402_300_800
FIXED = {None: (0, ""), "UTC": (0, "Z"), "+05:30": (19_800, "+05:30"), "-08:00": (-28_800, "-08:00")}


def civil(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a day since 1970, in the proleptic Gregorian calendar."""
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return year + 400 * era + (month > 9), month + 3 - 12 * (month > 9), day - (153 * month + 2) // 5 + 1


def expected(value: int, unit: str, offset: int, suffix: str) -> str:
    seconds, fraction = divmod(value, PER_SECOND[unit])
    days, second = divmod(seconds + offset, 86_400)
    year, month, day = civil(days)
    if not 0 <= year <= 9_999:
        return str(value)
    digits = f".{fraction:0{DIGITS[unit]}d}" if fraction else ""
    time = f"{second // 3_600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{time}{digits}{suffix}"


def values_of(unit: str) -> list[int]:
    first, stop = (second * PER_SECOND[unit] for second in (YEAR_0, YEAR_10000))
    day = 86_400 * PER_SECOND[unit]
    near = [bound + step for bound in (0, first, stop) for step in (-day, -1, 0, 1, day)]
    chance = random.Random(unit)
    near += [chance.randrange(first, stop) for _ in range(100)]
    near += [chance.randrange(LEAST, MOST) for _ in range(20)]
    bounds = [LEAST, LEAST + 1, LEAST + day, MOST - day, MOST - 1, MOST]
    return [value for value in near + bounds if LEAST <= value <= MOST]


def nested(array: pa.Array) -> Iterator[tuple[str, list[str]]]:
    """Yield the texts of timestamps by themselves and within other values."""
    yield "alone", [text.decode() for text in text_of(array).to_pylist()]
    offsets = pa.array(range(len(array) + 1), pa.int32())
    lists = text_of(pa.ListArray.from_arrays(offsets, array)).to_pylist()
    yield "list", [json.loads(text)[0] for text in lists]
    structs = text_of(pa.StructArray.from_arrays([pa.StructArray.from_arrays([array], ["b"])], ["a"]))
    yield "struct", [json.loads(text)["a"]["b"] for text in structs.to_pylist()]
    keys = pa.array([str(index) for index in range(len(array))])
    maps = text_of(pa.MapArray.from_arrays(offsets, keys, array)).to_pylist()
    yield "map", [json.loads(text)[str(index)] for index, text in enumerate(maps)]


@pytest.mark.parametrize("unit", PER_SECOND)
def test_a_timestamp_is_its_date_or_its_integer_up_to_the_bounds_of_int64(unit: str) -> None:
    values = values_of(unit)
    for zone, (offset, suffix) in FIXED.items():
        array = pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))
        wanted = [expected(value, unit, offset, suffix) for value in values]
        for where, texts in nested(array):
            assert texts == wanted, (zone, where)


@pytest.mark.parametrize("unit", PER_SECOND)
def test_in_a_zone_with_a_history_the_text_is_the_same_instant(unit: str) -> None:
    values = values_of(unit)
    for zone in ("America/New_York", "Pacific/Kiritimati", "Europe/Amsterdam"):
        array = pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))
        for where, texts in nested(array):
            for value, text in zip(values, texts, strict=True):
                if text.lstrip("-").isdecimal():
                    assert text == str(value)
                    seconds = value // PER_SECOND[unit]
                    assert not YEAR_0 + 86_400 <= seconds < YEAR_10000 - 86_400, (zone, where, value)
                    continue
                offset = datetime.fromisoformat("2000-01-01T00:00:00" + suffix_of(text)).utcoffset()
                assert offset is not None
                local = expected(value, unit, round(offset.total_seconds()), suffix_of(text))
                assert text == local, (zone, where, value)


def suffix_of(text: str) -> str:
    """Return what stands behind the time of day: ``Z`` or an offset."""
    return text[19:].lstrip(".0123456789")


def test_an_offset_has_seconds_where_local_time_once_had_them() -> None:
    array = pa.array([-4_785_471_000_000, None], pa.int64()).view(pa.timestamp("ms", "America/New_York"))
    assert text_of(array).to_pylist() == [b"1818-05-10T09:33:58-04:56:02", None]
    assert text_of(array[:0]).to_pylist() == []
