"""Which shard of how many: what may be said, and which blocks that is."""

from __future__ import annotations

import pytest

from etl.shards import MAX_SHARDS, ShardNumber, parse_shard
from tests.cases import cases


@cases(
    ("text", "shard"),
    [("0/1", (0, 1)), ("3/16", (3, 16)), (f"{MAX_SHARDS - 1}/{MAX_SHARDS}", (MAX_SHARDS - 1, MAX_SHARDS))],
)
def test_a_shard_is_its_number_from_0_on_and_how_many_there_are(text: str, shard: tuple[int, int]) -> None:
    assert parse_shard(text) == ShardNumber(*shard)
    assert str(parse_shard(text)) == text


@cases(
    ("text", "says"),
    [
        ("", "must be I/N"),
        ("3", "must be I/N"),
        ("-1/4", "must be I/N"),
        ("1 / 4", "must be I/N"),
        ("a/b", "must be I/N"),
        ("4/4", "shards are 0/4 to 3/4"),
        ("0/0", "N from 1 to 4,096"),
        ("0/4097", "N from 1 to 4,096"),
    ],
)
def test_another_text_is_refused_with_what_it_must_be(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_shard(text)


def test_the_shards_of_any_number_have_each_block_once_and_number_their_own_from_0_on() -> None:
    for count in (1, 2, 3, 7):
        shards = [ShardNumber(index, count) for index in range(count)]
        owned = [[number for number in range(20) if shard.has(number)] for shard in shards]
        assert sorted(number for numbers in owned for number in numbers) == list(range(20))
        for shard, numbers in zip(shards, owned, strict=True):
            assert list(map(shard.inner, numbers)) == list(range(len(numbers)))
