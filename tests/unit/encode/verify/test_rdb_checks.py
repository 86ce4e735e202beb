"""What compares a server that has started from an RDB file, where it is not what compares a load."""

from __future__ import annotations

import pytest

from etl.encode.choose import rdb_checker
from etl.errors import UsageError
from etl.plan import BatchResult, Difference
from tests.unit.encode.given import commands_in, expected_in, mapping_of
from tests.unit.encode.strategies.test_rdb_entries import keyed
from tests.unit.encode.strategies.test_rdb_members import mapping, tagged


def test_a_document_is_compared_as_the_string_that_it_is() -> None:
    checker = rdb_checker(mapping_of("json"))
    batch = keyed([{"v": b"{}"}, {"v": b"[1]"}])
    wire = checker.encode(batch)
    assert commands_in(wire) == [[b"MGET", b"k:0", b"k:1"]]
    assert expected_in(wire) == [[b"{}", b"[1]"]]
    assert checker.read_replies(batch, wire, None) == BatchResult(equal=2)


def test_of_a_sorted_set_every_member_is_asked_for_with_its_last_score() -> None:
    checker = rdb_checker(mapping("zset"))
    batch = tagged([[b"a", b"b", b"a"], [], [b"c"]], [[b"1", b"2.0", b"3"], [], [b"x"]])
    good, refusals = checker.split_encodable(batch)
    assert [refusal.index for refusal in refusals] == [1, 2]
    wire = checker.encode(good)
    assert commands_in(wire) == [[b"ZSCORE", b"k:0", b"b"], [b"ZSCORE", b"k:0", b"a"]]
    assert checker.read_replies(good, wire, [b"2", b"3"]) == BatchResult(equal=1)
    different = checker.read_replies(good, wire, [b"2", b"1"])
    assert different.differences == (Difference(0, b"k:0", b"a=3", b"a=1"),)


def test_one_member_with_a_field_as_its_score_is_asked_for_too() -> None:
    checker = rdb_checker(mapping("zset", value="{id}", score="{v}"))
    wire = checker.encode(keyed([{"v": b"7"}, {"v": b"8"}]))
    assert commands_in(wire) == [[b"ZSCORE", b"k:0", b"0"], [b"ZSCORE", b"k:1", b"1"]]
    assert expected_in(wire) == [b"7", b"8"]


def test_other_types_are_compared_as_after_a_load() -> None:
    for kind in ("string", "hash", "list", "set"):
        made = mapping_of(kind)
        assert rdb_checker(made).checks == made.type.checks(made)
    with pytest.raises(UsageError, match="verify cannot compare a stream"):
        rdb_checker(mapping_of("stream"))
