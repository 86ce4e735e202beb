"""Journals: entries are whole, or not there at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan import JOURNAL, journal_entries, journal_entry

pairs = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=4)


@given(st.lists(pairs, max_size=5))
def test_entries_are_read_as_they_were_written(entries: list[list[tuple[bytes, bytes]]]) -> None:
    assert list(journal_entries(JOURNAL + b"".join(map(journal_entry, entries)))) == entries


@given(st.lists(pairs, min_size=1, max_size=4), st.data())
def test_of_a_journal_that_is_cut_off_the_whole_entries_are_read(
    entries: list[list[tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    whole = list(map(journal_entry, entries))
    cut = data.draw(st.integers(0, len(whole[-1]) - 1))
    assert list(journal_entries(JOURNAL + b"".join(whole[:-1]) + whole[-1][:cut])) == entries[:-1]


@given(pairs, st.data())
def test_a_damaged_entry_ends_it(entry: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    written = bytearray(journal_entry(entry))
    written[data.draw(st.integers(0, len(written) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    following = journal_entry([(b"a", b"b")])
    assert list(journal_entries(JOURNAL + bytes(written) + following)) == []


def test_another_file_is_no_journal() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        list(journal_entries(b"REDIS0010"))
