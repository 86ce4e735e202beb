"""Budgets: how many records may be refused."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.report import Budget, parse_budget
from tests.cases import cases


@cases(
    ("text", "budget", "shown"),
    [
        ("0", Budget(count=0), "0"),
        ("7", Budget(count=7), "7"),
        (" 7 ", Budget(count=7), "7"),
        ("1000000", Budget(count=1_000_000), "1,000,000"),
        ("0%", Budget(percent=0), "0 %"),
        ("0.5%", Budget(percent=0.5), "0.5 %"),
        ("100%", Budget(percent=100), "100 %"),
    ],
)
def test_a_budget_is_a_number_of_records_or_a_percentage_of_them(
    text: str, budget: Budget, shown: str
) -> None:
    assert parse_budget(text) == budget
    assert str(budget) == shown
    assert pickle.loads(pickle.dumps(budget)) == budget  # noqa: S301 - our own


@cases("text", ["", "-1", "1.5", "many", "%", "-1%", "100.1%", "101%", "nan%", "inf%", "5 percent", "%5"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_budget(text)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 1000), st.booleans())
def test_a_number_is_spent_by_one_record_more_whoever_many_were_read(
    count: int, rejected: int, more: int, ended: bool
) -> None:
    assert Budget(count=count).spent(rejected, rejected + more, ended=ended) == (rejected > count)


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
    budget = Budget(percent=percent)
    assert budget.spent(rejected, read, ended=True) == spent
    assert not budget.spent(rejected, read, ended=False)
