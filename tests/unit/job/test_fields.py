"""The fields of a job's record: whatever is damaged of them is refused, or does no harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.job.fields import (
    Attempt,
    DamagedError,
    Head,
    PrepassResult,
    present_words,
    read_done,
    read_head,
    read_passed,
)
from etl.plan import COUNTS, Checkpoint, seal
from tests.examples import examples

PASSED = PrepassResult(3, 1, {0: b"\x05", 7: b"\x00\x80"})
ATTEMPTS = (Attempt(0, 2, "aa"), Attempt(1, 1, "bb"))
MARKS = (
    Checkpoint(0, 0, 2, "block", block=4, counts=(9, 9, 0, 0, 900), token="aa"),
    Checkpoint(0, 1, 2, "block", block=3, partial=5, below=77, counts=(8, 7, 0, 1, 800), token="aa"),
    Checkpoint(1, 0, 1, "record", token="bb"),
)
HEAD = Head(
    "incomplete", "source", "template", 1 << 20, ATTEMPTS, (3, 1, 2, "bb"), "2026-01-01", "2026-01-02"
)


def record_of(head: Head) -> dict[bytes, bytes]:
    words = head.words()
    record = dict(zip(words[::2], words[1::2], strict=True))
    if head.state == "incomplete":
        record |= {mark.field: mark.value for mark in MARKS}
        record |= dict(present_words(PASSED, "bb"))
    return {**record, b"run": b"host process 1/bb"}


def read(record: Mapping[bytes, bytes]) -> tuple[object, ...] | None:
    """Return all that is believed of a record, as far as somebody goes by it."""
    head = read_head(record)
    if head is None:
        return None
    return head, read_done(head, record).marks, read_passed(head, record)


def test_a_record_is_read_as_it_was_written() -> None:
    assert read(record_of(HEAD)) == (HEAD, MARKS, PASSED)
    complete = replace(HEAD, state="complete", attempts=(), passed=None, counts=dict.fromkeys(COUNTS, 7))
    assert read(record_of(complete)) == (complete, (), None)


def test_where_there_is_no_head_there_is_no_record() -> None:
    assert read({}) is None
    assert read({MARKS[0].field: MARKS[0].value, b"run": b"x"}) is None


@examples(10)
@given(st.data())
def test_a_field_that_is_changed_or_dropped_or_swapped_is_refused_or_harmless(data: st.DataObject) -> None:
    record = record_of(HEAD)
    name = data.draw(st.sampled_from(sorted(record)), label="field")
    how = data.draw(st.sampled_from(("flip", "cut", "drop", "swap", "add")), label="damage")
    value = bytearray(record.pop(name))
    if how == "flip" and value:
        value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
        record[name] = bytes(value)
    elif how == "cut":
        record[name] = bytes(value[: data.draw(st.integers(0, max(0, len(value) - 1)))])
    elif how == "swap":
        other = data.draw(st.sampled_from(sorted(record)), label="other")
        record[name], record[other] = record[other], bytes(value)
    elif how == "add":
        record[name] = bytes(value)
        record[data.draw(st.binary(max_size=9), label="name")] = data.draw(st.binary(max_size=9))
    try:
        found = read(record)
    except DamagedError:
        return
    assert found == (HEAD, MARKS, PASSED)


@examples(5)
@given(st.data())
def test_of_a_complete_record_nothing_worse_than_the_truth_is_believed(data: st.DataObject) -> None:
    head = Head("complete", "source", "template", started="a", updated="b", counts=dict.fromkeys(COUNTS, 7))
    record = record_of(head)
    del record[data.draw(st.sampled_from(sorted(record)))]
    try:
        found = read_head(record)
    except DamagedError:
        return
    assert found is not None
    assert (found.state, found.source, found.template) == (head.state, head.source, head.template)


def test_bounds_hold_though_the_check_fits() -> None:
    for changes in (
        {"block_bytes": 0},
        {"block_bytes": 1 << 60},
        {"state": "begun"},
        {"attempts": (Attempt(0, 0, "aa"),)},
        {"attempts": (Attempt(0, 10**9, "aa"),)},
        {"attempts": (Attempt(-1, 1, "aa"),)},
        {"passed": (-1, 0, 0, "bb")},
        {"passed": (0, 0, 3, "bb")},
        {"counts": {"records_read": -1}},
    ):
        with pytest.raises(DamagedError):
            read(record_of(replace(HEAD, **changes)))


def test_a_mark_of_another_number_of_workers_is_refused() -> None:
    record = record_of(HEAD)
    content = replace(MARKS[0], workers=3).value.partition(b"\n")[2]
    with pytest.raises(DamagedError, match="another's"):
        read({**record, MARKS[0].field: seal(MARKS[0].field, content)})


def test_what_an_earlier_release_wrote_is_believed_only_where_it_is_complete() -> None:
    old = {b"state": b"complete", b"source": b"s", b"template": b"t", b"updated": b"u", b"run": b"r"}
    assert read_head(old) == Head("complete", "s", "t", updated="u")
    with pytest.raises(DamagedError, match="earlier release"):
        read_head({**old, b"state": b"incomplete", b"block_bytes": b"1048576"})
