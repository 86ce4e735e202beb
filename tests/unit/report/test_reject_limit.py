"""Limits of rejects: how many records may be refused."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.report import RejectLimit, parse_reject_limit
from tests.cases import cases


@cases(
    ("text", "reject_limit", "shown"),
    [
        ("0", RejectLimit(count=0), "0"),
        ("7", RejectLimit(count=7), "7"),
        (" 7 ", RejectLimit(count=7), "7"),
        ("1000000", RejectLimit(count=1_000_000), "1,000,000"),
        ("0%", RejectLimit(percent=0), "0 %"),
        ("0.5%", RejectLimit(percent=0.5), "0.5 %"),
        ("100%", RejectLimit(percent=100), "100 %"),
    ],
)
def test_a_budget_is_a_number_of_records_or_a_percentage_of_them(
    text: str, reject_limit: RejectLimit, shown: str
) -> None:
    assert parse_reject_limit(text) == reject_limit
    assert str(reject_limit) == shown
    assert pickle.loads(pickle.dumps(reject_limit)) == reject_limit  # noqa: S301 - our own


@cases("text", ["", "-1", "1.5", "many", "%", "-1%", "100.1%", "101%", "nan%", "inf%", "5 percent", "%5"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_reject_limit(text)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 1000), st.booleans())
def test_a_number_is_spent_by_one_record_more_whoever_many_were_read(
    count: int, rejected: int, more: int, ended: bool
) -> None:
    assert RejectLimit(count=count).exceeded(rejected, rejected + more, ended=ended) == (rejected > count)


@cases(
    ("percent", "rejected", "read", "spent"),
    [
        (0, 0, 0, False),
        (0, 0, 10, False),
        (0, 1, 10, True),
        (10, 1, 10, False),
        (10, 2, 10, True),
        (0.5, 5, 1000, False),
        (0.5, 6, 1000, True),
        (33.3, 333, 1000, False),
        (100, 10, 10, False),
    ],
)
def test_a_percentage_is_judged_when_the_run_has_ended_and_not_before(
    percent: float, rejected: int, read: int, spent: bool
) -> None:
    reject_limit = RejectLimit(percent=percent)
    assert reject_limit.exceeded(rejected, read, ended=True) == spent
    assert not reject_limit.exceeded(rejected, read, ended=False)
