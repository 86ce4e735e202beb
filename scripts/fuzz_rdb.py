#!/usr/bin/env python3
"""Has a real redis-server load RDB files of many random keys of every type, and compares.

    scripts/fuzz_rdb.py [KEYS] [--seed N] [--server BINARY] [--version N]

The server checks every byte (``sanitize-dump-payload yes``), and so does its own ``redis-check-rdb``. Now and
then it saves and reloads what it has loaded, and is compared again. The values are those of fuzz_restore.py.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fuzz_restore import KINDS, version_of  # noqa: E402

from etl.encode.rdb.file import VERSIONS  # noqa: E402
from etl.sink.embedded.binary import server_binary  # noqa: E402
from tests.support import RealServer  # noqa: E402
from tests.support.rdb_files import check_rdb, differences, random_file  # noqa: E402

KEYS_A_KIND = 100
NEWEST = {6: 9, 7: 10}  # by the major version of a server; later ones take them all


def any_value(rng: random.Random) -> bytes:
    kinds, weights = zip(*KINDS, strict=True)
    made: bytes = rng.choices(kinds, weights)[0](rng)
    return made


class Fuzz:
    """Loads files and counts what it has seen."""

    def __init__(self, server: RealServer, binary: str, rng: random.Random) -> None:
        self._client: Any = server.client()
        self._binary = binary
        self._path = server.folder / "dump.rdb"
        self._rng = rng
        self.seen: Counter[str] = Counter()
        self.differences: list[str] = []

    def file(self, version: int) -> None:
        made = random_file(self._rng, version, any_value, keys_a_kind=KEYS_A_KIND)
        data = made.to_bytes()
        self._path.write_bytes(data)
        if self._rng.random() < 0.2:
            said = check_rdb(self._binary, self._path)
            self.differences += [] if "RDB looks OK" in said else [said[-2000:]]
        self._client.execute_command("DEBUG", "RELOAD", "NOSAVE")
        self.differences += differences(self._client, made.held)
        if self._rng.random() < 0.2:
            self._client.execute_command("DEBUG", "RELOAD")
            self.differences += differences(self._client, made.held)
            self.seen["reloads"] += 1
        self.seen["files"] += 1
        self.seen["keys"] += len(made.held)
        self.seen["bytes"] += len(data)


def main() -> int:
    parser = argparse.ArgumentParser(description="Loads random RDB files into a real server and compares.")
    parser.add_argument("keys", type=int, nargs="?", default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers (default: a new one)")
    parser.add_argument("--server", default=server_binary(), metavar="BINARY", help="default: %(default)s")
    parser.add_argument("--version", type=int, default=None, choices=VERSIONS, help="default: by turns")
    args = parser.parse_args()
    newest = NEWEST.get(version_of(args.server), VERSIONS[-1])
    versions = [args.version] if args.version else [one for one in VERSIONS if one <= newest]
    seed = random.randrange(1 << 32) if args.seed is None else args.seed
    started_at = time.monotonic()
    debug = ("--enable-debug-command", "yes") if newest > min(VERSIONS) else ()
    with tempfile.TemporaryDirectory(prefix="redis-etl-fuzz-") as folder:
        server = RealServer(Path(folder), "--sanitize-dump-payload", "yes", *debug, binary=args.server)
        try:
            server.start()
            fuzz = Fuzz(server, args.server, random.Random(seed))
            while fuzz.seen["keys"] < args.keys and not fuzz.differences:
                fuzz.file(versions[fuzz.seen["files"] % len(versions)])
        finally:
            server.close()
    for difference in fuzz.differences[:10]:
        print(difference)
    counts = ", ".join(f"{count:,} {what}" for what, count in fuzz.seen.items())
    print(
        f"seed {seed}: {counts}, {len(fuzz.differences)} differences, {time.monotonic() - started_at:.0f} s"
    )
    return 1 if fuzz.differences else 0


if __name__ == "__main__":
    sys.exit(main())
