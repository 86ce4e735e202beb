"""What a person is shown of two values that differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.encode.verify.excerpt import SHOWN, excerpts
from tests.cases import cases


@given(st.binary(max_size=SHOWN), st.none() | st.binary(max_size=SHOWN))
def test_short_values_are_shown_whole(expected: bytes, found: bytes | None) -> None:
    assert excerpts(expected, found) == (expected, found)


@cases("same", [0, 1, 19, 20, 21, 199, 200, 1000])
def test_long_values_are_shown_around_the_first_difference(same: int) -> None:
    expected, found = excerpts(b"a" * same + b"b" * 300, b"a" * same + b"c")
    assert found is not None
    assert expected.count(b"a") == found.count(b"a") == min(same, 20)
    assert expected.startswith(b"...") == found.startswith(b"...") == (same > 20)
    assert expected.endswith(b"b...")
    assert found.endswith(b"c")
    assert len(expected) <= SHOWN + 6


def test_the_source_s_long_value_is_cut_where_nothing_was_found() -> None:
    assert excerpts(b"x" * 1000, None) == (b"x" * SHOWN + b"...", None)
