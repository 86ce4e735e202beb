#!/usr/bin/env python3
"""Restores many random hashes into a real redis-server that checks every byte of them, and compares.

    scripts/fuzz_restore.py [HASHES] [--seed N] [--server BINARY]

Each hash goes in by RESTORE and by HSET. HGETALL of both has to be the source's fields, and where a listpack
was sent, DUMP of both has to be the same bytes. Then the server reloads its data, and HGETALL is asked again.
A server before Redis 7.0 is sent ziplists, in which its own HSET writes numbers shorter.
"""

from __future__ import annotations

import argparse
import random
import string
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from etl.encode.rdb.hashes import HASH, HASH_LISTPACK, LISTPACK, ZIPLIST, HashEncoding  # noqa: E402
from etl.encode.rdb.payload import hashes, payload_texts  # noqa: E402
from etl.sink.embedded.binary import server_binary  # noqa: E402
from tests.support import RealServer  # noqa: E402

HASHES_A_BATCH = 500
CONFIG = {"sanitize-dump-payload": "yes", "rdbcompression": "no"}
CONFIGS = {
    LISTPACK: {
        **CONFIG,
        "enable-debug-command": "yes",
        "hash-max-listpack-value": "1000000",  # so that HSET makes listpacks of all that RESTORE does
        "hash-max-listpack-entries": "512",
    },
    ZIPLIST: CONFIG,
}

Record = dict[bytes, bytes]

EDGES = [0, 127, 128, 4095, 4096, 2**15, 2**23, 2**31, 2**63, 2**64]
LENGTHS = [0, 1, 62, 63, 64, 65, 124, 125, 126, 127, 128, 1000, 4094, 4095]


def any_integer(rng: random.Random) -> bytes:
    number = (
        rng.choice(EDGES) + rng.randint(-2, 2) if rng.random() < 0.5 else rng.getrandbits(rng.randint(1, 66))
    )
    return b"%d" % (number if rng.random() < 0.6 else -number)


def almost_integer(rng: random.Random) -> bytes:
    text = any_integer(rng)
    return rng.choice(
        [b"0" + text, b"+" + text, b"-" + text, text + b".0", text + b" ", b" " + text, b"-0", b"-"]
    )


def short_text(rng: random.Random) -> bytes:
    return "".join(rng.choices(string.printable + "äöüß€漢字😀", k=rng.randint(0, 40))).encode()


def any_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([rng.randint(0, 20), rng.randint(0, 200)]))


def edge_length(rng: random.Random) -> bytes:
    return rng.choice([b"x", b"9", b"\0", b"\xff"]) * rng.choice(LENGTHS)


def long_value(rng: random.Random) -> bytes:
    return b"x" * rng.choice([10, 4095, 4096, 16383, 16384, 20_000])


KINDS: list[tuple[Callable[[random.Random], bytes], int]] = [
    (any_integer, 6),
    (almost_integer, 3),
    (short_text, 6),
    (any_bytes, 4),
    (edge_length, 2),
    (long_value, 1),
]


def any_column(rng: random.Random) -> Callable[[], bytes | None]:
    """Choose what a column's values are like: of one kind or of any, with or without nulls."""
    kinds, weights = zip(*KINDS, strict=True)
    mixed = rng.random() < 0.3
    nulls = rng.choice([0, 0, 0.1, 0.9])
    narrow = rng.choice(kinds[:3]) if rng.random() < 0.7 else rng.choices(kinds, weights)[0]

    def value() -> bytes | None:
        if rng.random() < nulls:
            return None
        kind = rng.choices(kinds, weights)[0] if mixed else narrow
        made: bytes = kind(rng)
        return made

    return value


def any_records(rng: random.Random, count: int) -> tuple[list[bytes], list[Record]]:
    """Make the field names and records of one batch; the records have their fields in the names' order."""
    width = rng.choice([1, 2, 3, 6, 6, 12]) if rng.random() < 0.98 else 600
    names: dict[bytes, Callable[[], bytes | None]] = {}
    while len(names) < width:
        made = rng.choice([any_integer, short_text, short_text, edge_length])(rng) if width < 600 else b""
        names[made or b"f%d" % len(names)] = any_column(rng) if width < 600 else lambda: any_integer(rng)
    records: list[Record] = []
    for _ in range(count if width < 600 else 5):
        drawn = {name: value() for name, value in names.items()}
        record = {name: value for name, value in drawn.items() if value is not None}
        records.append(record or {next(iter(names)): b"alone"})
    return list(names), records


class Fuzz:
    """Sends batches of hashes both ways and counts what it has seen."""

    def __init__(self, server: RealServer, form: HashEncoding, rng: random.Random) -> None:
        self._client = server.client()
        self._form = form
        self._rng = rng
        self.seen: Counter[str] = Counter()
        self.differences: list[str] = []

    def batch(self) -> int:
        names, records = any_records(self._rng, HASHES_A_BATCH)
        fields = [(name, pa.array([r.get(name) for r in records], pa.binary())) for name in names]
        payloads = payload_texts(hashes(fields, len(records), self._form), len(records))
        self._client.flushall()
        self._send(records, payloads)
        self._compare(records, payloads)
        if self._rng.random() < 0.1:
            self._client.execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]
            self._compare(records, payloads)
            self.seen["reloads"] += 1
        self.seen["hashes"] += len(records)
        self.seen["fields"] += sum(map(len, records))
        self.seen[f"{self._form.encoding}s"] += sum(not sent.startswith(HASH) for sent in payloads)
        self.seen["bytes"] += sum(map(len, payloads))
        return len(records)

    def _send(self, records: list[Record], payloads: list[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for at, (record, sent) in enumerate(zip(records, payloads, strict=True)):
            pipeline.restore(f"r:{at}", 0, sent)
            pipeline.hset(f"h:{at}", items=[word for pair in record.items() for word in pair])
        for at, said in enumerate(pipeline.execute(raise_on_error=False)[::2]):
            if said != b"OK":
                self.differences.append(f"RESTORE of {records[at]!r:.500} answered {said!r}")

    def _compare(self, records: list[Record], payloads: list[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for at in range(len(records)):
            for key in (f"r:{at}", f"h:{at}"):
                pipeline.hgetall(key)
                pipeline.dump(key)
        found = pipeline.execute()
        for at, (record, sent) in enumerate(zip(records, payloads, strict=True)):
            ours, our_dump, theirs, their_dump = found[4 * at : 4 * at + 4]
            if not ours == theirs == record:
                self.differences.append(f"HGETALL of {record!r:.500} gives {ours!r:.500}")
            elif sent.startswith(HASH_LISTPACK) and not our_dump == their_dump == sent:
                self.differences.append(f"DUMP of {record!r:.500} is not what was sent")


def version_of(binary: str) -> int:
    """Return a server's major version."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.partition("v=")[2].partition(".")[0])


def main() -> int:
    parser = argparse.ArgumentParser(description="Restores random hashes into a real server and compares.")
    parser.add_argument(
        "hashes", type=int, nargs="?", default=200_000, help="how many (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers (default: a new one)")
    parser.add_argument("--server", default=server_binary(), metavar="BINARY", help="default: %(default)s")
    args = parser.parse_args()
    form = LISTPACK if version_of(args.server) >= 7 else ZIPLIST
    seed = random.randrange(1 << 32) if args.seed is None else args.seed
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="redis-etl-fuzz-") as folder:
        server = RealServer(
            Path(folder),
            *(word for name, value in CONFIGS[form].items() for word in (f"--{name}", value)),
            binary=args.server,
        )
        try:
            server.start()
            fuzz = Fuzz(server, form, random.Random(seed))
            while fuzz.seen["hashes"] < args.hashes and not fuzz.differences:
                fuzz.batch()
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
