"""The order of tests where several processes share them: the long ones first.

pytest-xdist's ``worksteal`` hands each process a contiguous share of the list, and one that has ended its own
takes over the last half of another's. What comes last must be short: else one process waits for a cluster to
fail over for half a minute and the others have nothing left to take. So each share begins with tests that
take their time and ends with those of tests/unit, and a file stays within a share: its tests use one server.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import groupby

SECONDS = {
    "tests/fault/test_cluster_": 2.0,
    "tests/fault/test_connections.py": 1.0,
    "tests/fault/test_random_kills.py": 4.0,
    "tests/fault/test_rdb_files.py": 1.5,
    "tests/fault/test_scripts.py": 3.5,
    "tests/fault/test_signals.py": 1.5,
    "tests/fault/test_stalls_and_rates.py": 2.5,
    "tests/fault/test_streams.py": 2.0,
    "tests/server/test_cluster": 5.0,
    "tests/server/test_command_line.py": 2.0,
    "tests/server/test_engines.py": 2.0,
    "tests/server/test_formats.py": 1.0,
    "tests/server/test_lists.py": 2.0,
    "tests/server/test_load_and_verify.py": 2.0,
    "tests/server/test_pack.py": 1.0,
    "tests/server/test_rdb_": 1.5,
    "tests/server/test_recipes.py": 4.0,
    "tests/server/test_replication.py": 1.0,
    "tests/server/test_set_options.py": 1.0,
    "tests/support/test_cluster.py": 1.5,
    "tests/contract/": 0.05,
    "tests/unit/": 0.01,
}
"""What a test takes on two quiet cores, in a file or a folder by the beginning of its path: an estimate."""

ANY_OTHER_S = 0.4
SHORT_S = 0.1
"""A file of shorter tests may be divided: it has no server that is started for it."""


def in_shares(files: Sequence[str], shares: int) -> list[int]:
    """Return the positions of tests, of which ``files`` has the paths, in the order for so many processes."""
    positions: dict[str, list[int]] = {}
    for at, file in enumerate(files):
        positions.setdefault(file, []).append(at)
    by_length = sorted(positions, key=_seconds, reverse=True)
    mine: list[list[int]] = [[] for _ in range(shares)]
    least = [(0.0, share) for share in range(shares)]
    short = []
    for seconds, group in groupby(by_length, key=_seconds):
        for file in sorted(group, key=lambda file: -len(positions[file])):
            tests = positions[file]
            if seconds <= SHORT_S:
                short += tests
                continue
            busy, share = heapq.heappop(least)
            mine[share] += tests
            heapq.heappush(least, (busy + seconds * len(tests), share))
    left = len(files)
    for share, tests in enumerate(mine):
        size = left // (shares - share)  # as worksteal divides them
        left -= size
        room = max(0, size - len(tests)) if share < shares - 1 else len(short)
        tests += short[:room]
        short = short[room:]
    return [at for share in mine for at in share]


def _seconds(file: str) -> float:
    return next((taken for start, taken in SECONDS.items() if file.startswith(start)), ANY_OTHER_S)
