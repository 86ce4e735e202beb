"""Times as people write them: one by one (options) and by columns (fields), with the same result."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.resp.expiry import durations, instants
from etl.times import parse_duration, parse_instant

DURATIONS = {
    "30": 30_000,
    "1.5": 1500,
    "0.001": 1,
    "500ms": 500,
    "90s": 90_000,
    "90m": 5_400_000,
    "1h": 3_600_000,
    "7d": 604_800_000,
    "2w": 1_209_600_000,
    "0.5h": 1_800_000,
    "0": None,
    "": None,
    "h": None,
    "-1": None,
    "1e3": None,
    "1 h": None,
    "1H": None,
    "nan": None,
    "1.": None,
}

INSTANTS = {
    "1700000000": 1_700_000_000_000,
    "1700000000.25": 1_700_000_000_250,
    "2030-01-31": 1_896_048_000_000,
    "2030-01-31T12:00": 1_896_091_200_000,
    "2030-01-31 12:00:00Z": 1_896_091_200_000,
    "2030-01-31t12:00:00z": 1_896_091_200_000,
    "2030-01-31T12:00:00.123456789+01:30": 1_896_085_800_123,
    "2030-01-31T12:00-0530": 1_896_111_000_000,
    "2024-02-29": 1_709_164_800_000,
    "2023-02-29": None,
    "2030-02-30": None,
    "2030-04-31T00:00:00Z": None,
    "2030-13-01": None,
    "2030-01-31T24:00": None,
    "2030-01-31T12": None,
    "30-01-2030": None,
    "1969-12-31": None,
    "0000-01-01": None,
    "0": None,
    "": None,
    "soon": None,
}


def column(*texts: str) -> pa.Array:
    return pa.array([text.encode() for text in texts], pa.binary())


def as_numbers(texts: pa.Array) -> list[int | None]:
    return [None if text is None else int(text) for text in texts.to_pylist()]


def test_an_option_and_a_field_mean_the_same_time_whatever_stands_beside_it() -> None:
    for cases, by_columns in ((DURATIONS, durations), (INSTANTS, instants)):
        expected = list(cases.values())
        assert as_numbers(by_columns(column(*cases))) == expected
        assert [as_numbers(by_columns(column(text)))[0] for text in cases] == expected
        assert by_columns(pa.array([], pa.binary())).to_pylist() == []
        assert by_columns(pa.array([None, b"\xff"], pa.binary())).to_pylist() == [None, None]
    for text, milliseconds in DURATIONS.items():
        if milliseconds is not None:
            assert parse_duration(text) * 1000 == pytest.approx(milliseconds)
    for text, milliseconds in INSTANTS.items():
        if milliseconds is not None:
            assert parse_instant(text) == milliseconds
        else:
            with pytest.raises(ValueError, match="must be a time such as 2030-01-31T12:00:00Z"):
                parse_instant(text)


@given(
    st.lists(
        st.datetimes(
            datetime(1970, 1, 2),
            datetime(5000, 1, 1),
            timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
        )
    )
)
def test_a_column_of_times_is_read_as_python_writes_them(times: list[datetime]) -> None:
    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    texts = [time.replace(microsecond=time.microsecond // 1000 * 1000).isoformat() for time in times]
    expected = [(time - start) // timedelta(milliseconds=1) for time in times]
    assert as_numbers(instants(column(*texts))) == expected
    assert [parse_instant(text) for text in texts] == expected
