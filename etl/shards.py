"""Which shard of a job, of how many: ``--shard 3/16``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SHARDS = 4096
"""Each shard that ends asks for the state of all others."""

SHARD = "{shard}"
"""Stands for a shard's number in the name of a file that there is one of for each."""


@dataclass(frozen=True, slots=True)
class ShardNumber:
    """Shard ``index`` (from 0 on) of ``count``: the blocks whose number modulo ``count`` is ``index``."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, number: int) -> bool:
        """Return True if the block of this number is in the shard."""
        return number % self.count == self.index

    def inner(self, number: int) -> int:
        """Return the number of one of its blocks among the shard's own blocks: 0, 1, 2, ..."""
        return number // self.count


def parse_shard(text: str) -> ShardNumber:
    """Parse ``3/16``. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if match is None:
        raise ValueError("must be I/N: shard I of N, as in 0/16")
    index, count = int(match[1]), int(match[2])
    if not 1 <= count <= MAX_SHARDS:
        raise ValueError(f"must be I/N with N from 1 to {MAX_SHARDS:,}")
    if index >= count:
        raise ValueError(f"must be I/N with I from 0 to N-1: shards are 0/{count} to {count - 1}/{count}")
    return ShardNumber(index, count)
