"""``cases`` is an instrument of nearly all tests: a case that is left out, or fails unheard, is a hole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import cases


def test_every_row_of_every_table_is_tried_in_a_folder_of_its_own(tmp_path: Path) -> None:
    seen: list[tuple[int, str, str]] = []

    @cases("number", [1, 2])
    @cases(("letter", "word"), [("a", "x"), pytest.param("b", "y", id="second")])
    def test(number: int, letter: str, word: str, tmp_path: Path) -> None:
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "left behind").touch()
        seen.append((number, letter, word))

    test(tmp_path=tmp_path)
    assert seen == [(1, "a", "x"), (1, "b", "y"), (2, "a", "x"), (2, "b", "y")]


def test_the_case_that_fails_is_named() -> None:
    @cases("number", [1, 2, 3], ids=lambda number: f"n{number}")
    def test(number: int) -> None:
        assert number < 2

    with pytest.raises(AssertionError) as caught:
        test()
    assert vars(caught.value)["__notes__"] == ["in the case 1 of number: n2"]


def test_a_case_that_does_not_raise_what_it_should_fails() -> None:
    @cases("value", [int, "x"])
    def test(value: object) -> None:
        with pytest.raises(ValueError, match="never"):
            pass

    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    assert vars(caught.value)["__notes__"] == ["in the case 0 of value: int"]


def test_a_table_without_rows_and_a_name_that_is_no_argument_are_errors() -> None:
    def test(number: int) -> None:
        """Never called."""

    with pytest.raises(AssertionError, match="tests nothing"):
        cases("number", [])(test)()
    with pytest.raises(AssertionError, match="takes no"):
        cases("numbers", [1])(test)


def test_below_given_every_example_is_tried_with_every_row() -> None:
    seen: list[tuple[int, str]] = []

    @given(number=st.just(7))
    @cases("letter", "ab")
    def test(letter: str, number: int) -> None:
        seen.append((number, letter))

    test()
    assert set(seen) == {(7, "a"), (7, "b")}
