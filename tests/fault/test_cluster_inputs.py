"""Streams, rejects, packed strings and verify, in a real Redis Cluster whose slots move meanwhile."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from tests.cases import cases
from tests.fault.clustered import ALL_SLOTS, COUNT, JOB, KINDS, RATE, TAGS, Faulty, Held, ids
from tests.fault.commands import Ended, run_here
from tests.support.cluster import slot_of
from tests.support.resharding import Resharder

PACKED = 50
LINES = 4 * COUNT
WRONG = 10
"""Of so many ids one has a key of another type."""

ROUNDS = 4


def load(faulty: Faulty, source: Path, *options: str, rate: int = RATE) -> Ended:
    rejects = ("--rejects", str(faulty.file.with_suffix(".rejects")))
    job = ("--job", JOB, "--max-rate", str(rate))
    return run_here(faulty.capsys, "load", source, "--to", faulty.cluster.url, *job, *rejects, *options)


def verify(faulty: Faulty, source: Path, *options: str) -> tuple[int, dict[str, int]]:
    """Return the exit code of a verify, and its counts."""
    ended = run_here(faulty.capsys, "verify", source, "--to", faulty.cluster.url, *options)
    assert ended.code in (0, 1), ended
    return ended.code, ended.records


@cases("kind", ["strings", "hashes by RESTORE", "several commands a record"])
def test_a_stream_is_loaded_while_slots_move(faulty: Faulty, kind: str) -> None:
    faulty.cluster.flush()
    pipe = faulty.file.with_name(f"pipe for {kind}")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(faulty.file.read_bytes()), daemon=True)
    writer.start()
    with Resharder(faulty.cluster, ALL_SLOTS) as resharder:
        ended = load(faulty, pipe, "--format", "csv", *KINDS[kind][0])
    writer.join(30)
    assert ended.code == 0, ended
    assert ended.records == {"read": COUNT, "written": COUNT, "skipped": 0, "rejected": 0}
    faulty.assert_held(kind)
    assert resharder.moves > 3


@cases("kind", ["hashes by HSET", "several commands a record"])
def test_records_that_are_refused_are_rejected_once_each_while_slots_move(faulty: Faulty, kind: str) -> None:
    cluster = faulty.cluster
    cluster.flush()
    wrong = {b"{t%d}:%d" % (id % TAGS, id) for id in ids() if id % WRONG == 0}
    for key in wrong:
        cluster.owner(slot_of(key)).ask("RPUSH", key, "a list")
    merge = ("--if-exists", "merge") if kind == "hashes by HSET" else ()
    with Resharder(cluster, ALL_SLOTS) as resharder:
        ended = load(faulty, faulty.file, *KINDS[kind][0], *merge, "--max-rejects", "50%")
    expected = [number for number, id in enumerate(ids()) if id % WRONG == 0]
    assert ended.code == 1, ended
    counts = {"written": COUNT - len(expected), "skipped": 0, "rejected": len(expected)}
    assert ended.records == {"read": COUNT, **counts}
    lines = faulty.file.with_suffix(".rejects").read_text().splitlines()
    assert sorted(json.loads(line)["record"] for line in lines) == expected
    refused: Held = {key: [b"a list"] for key in wrong}
    wanted = KINDS[kind][1](COUNT) | refused  # what else a record has was written
    assert cluster.dump() == wanted
    assert resharder.moves > 3


def test_packed_strings_are_loaded_and_verified_while_slots_move(faulty: Faulty, tmp_path: Path) -> None:
    cluster, lines = faulty.cluster, tmp_path / "lines.txt"
    lines.write_text("".join(f"line {number}\n" for number in range(LINES)))
    options = ("--key", "p:{#}", "--pack", str(PACKED))
    load(faulty, lines, *options)
    quiet = cluster.dump()
    assert len(quiet) == LINES // PACKED
    cluster.flush()
    with Resharder(cluster, [slot_of(key) for key in quiet]) as resharder:
        ended = load(faulty, lines, *options, rate=4 * RATE)
        assert ended.code == 0, ended
        assert ended.records["written"] == LINES
        for _ in range(ROUNDS):
            code, counts = verify(faulty, lines, *options)
            assert (code, counts["equal"]) == (0, LINES)
    assert cluster.dump() == quiet
    assert resharder.moves > 3


@cases("kind", KINDS)
def test_what_is_missing_and_different_is_counted_while_slots_move(faulty: Faulty, kind: str) -> None:
    cluster = faulty.cluster
    cluster.flush()
    load(faulty, faulty.file, *KINDS[kind][0], rate=100 * RATE)
    for id in (1, 9, 17, 25):
        cluster.owner(slot_of(f"{{t1}}:{id}")).ask("DEL", f"{{t1}}:{id}")
    if kind == "a list":
        cluster.owner(slot_of("{t0}")).ask("LSET", "{t0}", "5", "other")
    quiet = verify(faulty, faulty.file, *KINDS[kind][0])
    assert quiet[0] == 1
    with Resharder(cluster, ALL_SLOTS if kind != "a list" else [slot_of("t0")]) as resharder:
        while resharder.moves < 2 * ROUNDS:
            assert verify(faulty, faulty.file, *KINDS[kind][0]) == quiet
