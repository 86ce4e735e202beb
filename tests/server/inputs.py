"""What the tests in this folder load, and what Redis must hold afterwards."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.support import data_size

if TYPE_CHECKING:
    from redis import Redis


def many_lines(records: int, longest: int = 140) -> list[bytes]:
    """Lines of any length up to ``longest``, of any bytes but line breaks and NUL; the same ones every time.

    A file with NUL bytes is loaded as lines only where --format says so: test_inputs has those.
    """
    chance = random.Random(7)
    alphabet = bytes(set(range(256)) - set(b"\r\n\0"))
    pool = bytes(chance.choices(alphabet, k=1 << 16))
    lines = []
    for number in range(records):
        start = int(chance.random() * (len(pool) - longest))
        length = int(chance.random() * (longest - 20))
        lines.append(b"%d " % number + pool[start : start + length] if number % 50 else b"")
    return lines


def write(path: Path, lines: list[bytes], end: bytes = b"\n") -> Path:
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def held(client: Redis, records: int, key: str = "{}") -> list[bytes | None]:
    """Return the values of the keys 0, 1, 2 ... (None: missing), and make sure there are no others."""
    assert data_size(client) == records
    values: list[bytes | None] = []
    for start in range(0, records, 10_000):
        keys = [key.format(number) for number in range(start, min(start + 10_000, records))]
        values += cast("list[bytes | None]", client.mget(keys))
    return values
