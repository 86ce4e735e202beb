"""The same command again: it goes on where the last run was, and refuses what is not the same."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any

import pytest

import etl.pipeline.plan as planning
from etl.errors import TargetError
from etl.worker.shard import Shard
from tests.fault.commands import (
    START_METHODS,
    Ended,
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
    wait_until_gone,
)
from tests.fault.inline import (
    KINDS,
    RECORDS,
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    every_kind,
    hold_worker,
    line,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, data_size, in_session, wait_until

SHORT_LOCK = "import etl.job.lock as lock\nlock._LOCK_MS = b'500'\nlock.RENEW_EVERY_S = 0.1\n"

TOLD_TO_WAIT = ("--wait-lock", "30")


def left_in_the_middle(here: Here, proxy: RecordingProxy, file: Path, kind: str, *options: str) -> Ended:
    """Load until the connection is cut in the middle, and give up: an unfinished job with some marks."""
    with meanwhile(hold_worker(proxy), proxy.cut_now):
        ended = here.load(file, proxy.url, kind, "--retry-for", "0", *options)
    proxy.release()
    assert ended.code == 4
    assert 0 < ended.records["written"] < RECORDS
    return ended


def records_sent(proxy: RecordingProxy, since: int) -> int:
    """Count the records that were sent on connections from number ``since`` on."""
    return sum(stream.count(b"\r\n$99\r\n") for stream in proxy.sent[since:])


def assert_went_on(again: Ended, sent: int) -> None:
    """Make sure that a run has sent what the marks left, and no more."""
    assert sent == RECORDS - again.report["resumed_from"]


@every_kind
def test_a_load_that_was_cut_goes_on_and_repeats_nothing_that_was_marked(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    left_in_the_middle(here, proxy, file, kind)
    before = len(proxy.sent)
    again = complete(here.load(file, proxy.url, kind, "--progress", "log"))
    assert_went_on(again, records_sent(proxy, before))
    said = rf"redis-etl: resuming job {again.report['job']} at (\d+) % \((\d+) records\)\n"
    match = re.match(said, again.stderr)
    assert match
    assert int(match[2]) == again.report["resumed_from"]
    assert 0 <= 100 * int(match[2]) / RECORDS - int(match[1]) < 10  # percents are of whole blocks
    assert again.report["bytes"] == file.stat().st_size
    assert_loaded(real_server.client(), kind)
    assert_no_leftovers(real_server.client())


OTHERWISE = {
    "more workers": ("--workers", "3"),
    "by records": ("--workers", "2", "--split", "record"),
    "by records, inline": ("--split", "record"),
    "another start method": ("--workers", "2", "--start-method", "spawn"),
}


@pytest.mark.parametrize(
    ("kind", "other"),
    [*(("strings", other) for other in OTHERWISE), *(("list", other) for other in list(OTHERWISE)[:3])],
)
def test_workers_and_split_may_change_between_runs(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str, other: str
) -> None:
    file = write_input(here.folder)
    left_in_the_middle(here, proxy, file, kind)
    before = len(proxy.sent)
    again = complete(here.load(file, proxy.url, kind, *OTHERWISE[other]))
    assert_went_on(again, records_sent(proxy, before))
    assert_loaded(real_server.client(), kind)


@pytest.mark.parametrize("kind", ["strings", "list"])
def test_a_load_by_records_goes_on_by_blocks(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    split = ("--workers", "2", "--split", "record")
    proxy.hold("to_server", after=40_000, client="redis-etl-1")
    with meanwhile(
        lambda: proxy.wait_for(40_001, connection=proxy.wait_for_client("redis-etl-1")), proxy.cut_now
    ):
        ended = here.load(file, proxy.url, kind, "--retry-for", "0", *split)
    assert ended.code == 4
    before = len(proxy.sent)
    again = complete(here.load(file, proxy.url, kind, "--workers", "3"))
    assert_went_on(again, records_sent(proxy, before))
    assert_loaded(real_server.client(), kind)


@pytest.mark.parametrize("kind", ["strings", "list"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_compressed_input_goes_on(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str, workers: str
) -> None:
    file = here.folder / "input.txt.gz"
    file.write_bytes(gzip.compress(write_input(here.folder).read_bytes(), mtime=0))
    with meanwhile(hold_worker(proxy, 50_000), proxy.cut_now):
        ended = here.load(file, proxy.url, kind, "--retry-for", "0", "--workers", workers)
    assert ended.code == 4
    before = len(proxy.sent)
    again = complete(here.load(file, proxy.url, kind, "--workers", workers))
    assert_went_on(again, records_sent(proxy, before))
    assert_loaded(real_server.client(), kind)


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_load_that_was_stopped_by_a_signal_goes_on(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: str,
    number: Signals,
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", workers)
    wait_for_the_middle(proxy, int(workers))
    command.signal_and_wait(number)
    proxy.release()
    ended = command.end()
    assert ended.code == 128 + number
    again = start("load", big_file, "--to", proxy.url, "--workers", workers, "--progress", "log").end()
    assert again.code == 0
    assert f"resuming job {ended.report['job']} at " in again.stderr
    assert again.report["resumed_from"] == ended.records["written"] > 0
    assert again.records["written"] == 36_000 == data_size(real_server.client())


@pytest.mark.parametrize(
    ("kind", "method"), [*(("list", method) for method in START_METHODS), ("strings", "forkserver")]
)
def test_a_load_whose_parent_was_killed_goes_on(
    start: StartCommand,
    tmp_path: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    method: str,
    kind: str,
) -> None:
    file = write_input(tmp_path)
    argv = ("load", file, "--to", proxy.url, *KINDS[kind].options, "--start-method", method)
    proxy.hold("to_server", after=20_000)
    command = start(*argv, "--workers", "2", patch=SHORT_LOCK)
    for worker in ("redis-etl-0", "redis-etl-1"):
        proxy.wait_for(20_001, connection=proxy.wait_for_client(worker))
    workers = command.wait_for_workers(2)
    command.signal(SIGKILL)
    proxy.release()
    wait_until_gone(workers)
    wait_until(lambda: not in_session(command.pid), what="the end of everything else")
    ended = start(*argv, "--workers", "2", *TOLD_TO_WAIT, patch=SHORT_LOCK).end()
    complete(ended)
    assert ended.report["resumed_from"] is not None
    assert_loaded(real_server.client(), kind)
    assert_no_leftovers(real_server.client())


def rewritten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[100:] + line(7) + b"\n")


def touched(file: Path) -> None:
    os.utime(file, ns=(1, 1))


CHANGED: dict[str, tuple[Callable[[Path], object], tuple[str, ...], str]] = {
    "rewritten": (rewritten, (), "sources"),
    "touched": (touched, (), "sources"),
    "ttl": (lambda file: None, ("--ttl", "100"), "options that say what becomes of a record"),
    "if-exists": (lambda file: None, ("--if-exists", "skip"), "options that say what becomes of a record"),
    "strip": (lambda file: None, ("--strip",), "options that say what becomes of a record"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_an_unfinished_job_refuses_what_has_changed_unless_it_is_restarted(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, change: str
) -> None:
    act, options, what = CHANGED[change]
    file = write_input(here.folder)
    job = left_in_the_middle(here, proxy, file, "strings").report["job"]
    act(file)
    size = data_size(real_server.client())
    ended = here.load(file, proxy.url, "strings", *options)
    assert ended.code == 3
    assert ended.sentence == (
        f"job {job} was not finished, and its {what} have changed: give --restart to load from the beginning,"
        " or what it was begun with to go on"
    )
    assert data_size(real_server.client()) == size
    again = here.load(file, proxy.url, "strings", *options, "--restart")
    assert again.code == 0
    assert again.report["resumed_from"] is None
    assert again.records["read"] == RECORDS


def test_another_name_makes_another_job(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    left_in_the_middle(here, proxy, file, "strings", "--job", "nightly")
    assert real_server.client().hget("etl:{nightly}", "state") == b"incomplete"
    assert complete(here.load(file, proxy.url, "strings")).report["resumed_from"] is None
    again = complete(here.load(file, proxy.url, "strings", "--job", "nightly"))
    assert again.report["job"] == "nightly"
    assert again.report["resumed_from"] > 0


def test_a_complete_job_that_nothing_has_changed_of_is_skipped_only_if_asked(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    complete(here.load(file, proxy.url, "strings", "--skip-unchanged"))
    before = len(proxy.sent)
    file.chmod(0)  # and it could not even be read by most users
    ended = here.load(file, proxy.url, "strings", "--skip-unchanged", "--progress", "log")
    assert ended.code == 0
    assert ended.stderr.endswith("is complete and nothing has changed: nothing to do\n")
    assert ended.records == {"read": 0, "written": 0, "skipped": 0, "rejected": 0}
    assert records_sent(proxy, before) == 0
    file.chmod(0o600)
    complete(here.load(file, proxy.url, "strings"))
    touched(file)
    before = len(proxy.sent)
    complete(here.load(file, proxy.url, "strings", "--skip-unchanged"))
    assert records_sent(proxy, before) == RECORDS


def test_skip_unchanged_loads_again_what_the_server_has_lost(here: Here, real_server: RealServer) -> None:
    file = write_input(here.folder)
    complete(here.load(file, real_server.url, "strings", "--skip-unchanged"))
    real_server.client().flushall()
    complete(here.load(file, real_server.url, "strings", "--skip-unchanged"))
    assert_loaded(real_server.client(), "strings")


ASKS_FOR_KEYS: dict[str, tuple[str, ...]] = {
    "strings": (),
    "strings that expire": ("--ttl", "1000"),
    "hashes by RESTORE": ("--as", "hash"),
    "hashes by HSET": ("--as", "hash", "--wire", "hset"),
    "lists": ("--as", "list"),
    "sets": ("--as", "set"),
    "sorted sets": ("--as", "zset", "--score", "{#}"),
    "streams": ("--as", "stream"),
}
THERE = (3, 370)
SOME = 400


def cut_before_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """End the load when its third block is written, and its mark is not."""
    next_commit = Shard._next_commit

    def cut(self: Shard) -> Any:
        commit = next_commit(self)
        if self._ledger.checkpoint.block >= 2 and not self._plan.preliminary:
            raise TargetError("cut")
        return commit

    monkeypatch.setattr(Shard, "_next_commit", cut)


@pytest.mark.parametrize("policy", ["skip", "fail"])
@pytest.mark.parametrize("what", ASKS_FOR_KEYS)
def test_what_exists_is_told_from_what_the_job_has_made_itself(
    here: Here,
    small_blocks: None,
    monkeypatch: pytest.MonkeyPatch,
    real_server: RealServer,
    what: str,
    policy: str,
) -> None:
    file = write_input(here.folder, SOME)
    client: Any = real_server.client()
    client.mset({f"k:{number}": "old" for number in THERE})
    options = ("--key", "k:{#}", *ASKS_FOR_KEYS[what], "--if-exists", policy, "--max-rejects", "5")
    with monkeypatch.context() as patched:
        cut_before_the_mark(patched)
        assert here.load(file, real_server.url, "strings", *options).code == 4
    assert data_size(client) >= 301
    ended = here.load(file, real_server.url, "strings", *options)
    skipped, rejected = (2, 0) if policy == "skip" else (0, 2)
    counts = {"read": SOME, "written": SOME - 2, "skipped": skipped, "rejected": rejected}
    assert (ended.code, ended.records) == (1 if rejected else 0, counts)
    assert 0 < ended.report["resumed_from"] <= 300
    keys = [f"k:{number}" for number in range(SOME)]
    pipeline = client.pipeline(transaction=False)
    lengths = {"list": pipeline.llen, "set": pipeline.scard, "zset": pipeline.zcard}
    lengths |= {"hash": pipeline.hlen, "stream": pipeline.xlen, "string": pipeline.strlen}
    (kind,) = {client.type(key).decode() for key in keys[:3]}
    for number, key in enumerate(keys):
        lengths["string" if number in THERE else kind](key)
    once = 99 if kind == "string" else 1
    assert pipeline.execute() == [3 if number in THERE else once for number in range(SOME)]


@pytest.mark.parametrize("kind", ["strings", "hashes"])
def test_every_record_of_a_resumed_load_has_its_ttl(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    left_in_the_middle(here, proxy, file, kind, "--ttl", "1000")
    complete(here.load(file, proxy.url, kind, "--ttl", "1000"))
    client = real_server.client()
    assert all(900 < client.ttl(str(number)) <= 1_000 for number in range(RECORDS))
    assert_loaded(client, kind)


def test_rejects_of_both_runs_are_in_one_file_each_once(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    for number in (3, 1_100):
        real_server.client().set(f"s:{number}", "in the way")
    options = ("--command", "SADD s:{#} {line}", "--max-rejects", "5", "--to", proxy.url)
    with meanwhile(hold_worker(proxy), proxy.cut_now):
        assert here.run("load", file, *options, "--retry-for", "0").code == 4
    ended = here.run("load", file, *options)
    assert ended.code == 1
    assert ended.records == {"read": RECORDS, "written": RECORDS - 2, "skipped": 0, "rejected": 2}
    lines = (here.folder / "rejects.jsonl").read_text().splitlines()
    assert [f'"record": {number},' in text for number, text in zip((3, 1_100), lines, strict=True)] == [
        True
    ] * 2


def test_a_job_of_many_tiny_blocks_goes_on_without_reading_what_is_done(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, proxy: RecordingProxy
) -> None:
    monkeypatch.setattr(planning, "block_size", lambda nbytes, workers: 1)
    count = 1_500
    file = write_input(here.folder, count)
    with meanwhile(hold_worker(proxy, 120_000), proxy.cut_now):
        ended = here.load(file, proxy.url, "strings", "--retry-for", "0")
    assert ended.code == 4
    before = len(proxy.sent)
    again = complete(here.load(file, proxy.url, "strings"), count)
    assert 0 < again.report["resumed_from"] <= ended.records["written"]
    assert again.report["workers"][0]["blocks"] == count - again.report["resumed_from"]
    assert records_sent(proxy, before) == count - again.report["resumed_from"]
    assert_loaded(real_server.client(), "strings", count)
