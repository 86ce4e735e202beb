"""What was probably meant by a name that is not known."""

from __future__ import annotations

from etl.suggest import did_you_mean, nearest


def test_the_nearest_names_are_proposed_and_none_where_nothing_is_like_it() -> None:
    known = ("workers", "wire", "split")
    assert nearest("worker", known) == ["workers"]
    assert nearest("xyzzy", known) == []
    assert did_you_mean("worker", known) == "did you mean workers?"
    assert did_you_mean("work", ("workers", "word"), most=2) == "did you mean word or workers?"
    assert did_you_mean("xyzzy", known) == ""
    assert did_you_mean("x", iter(())) == ""
