"""A job's record that was damaged: refused with one sentence, and ``--restart`` always works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl.errors import InterruptedRunError
from etl.job.state import Job
from etl.plan import Checkpoint, parse_checkpoint, seal
from tests.fault.inline import RECORDS, Here, assert_loaded, complete, hold_worker, meanwhile, write_input
from tests.support import RealServer, RecordingProxy, data_size

KEY = "etl:{nightly}"
HUGE = 1 << 60


def marks_in(client: Any) -> list[tuple[bytes, Checkpoint]]:
    record = client.hgetall(KEY)
    return [
        (name, parse_checkpoint(name, value)) for name, value in record.items() if name.startswith(b"mark:")
    ]


def write_mark(client: Any, *, sealed: bool, **changes: int) -> None:
    """Change the job's first mark as text, with or without a check that fits."""
    name, mark = marks_in(client)[0]
    numbers = {name: getattr(mark, name) for name in ("workers", "block", "partial", "below")} | changes
    place = "{workers} block {block} {partial} {below}".format(**numbers).encode()
    content = place + b"\n" + mark.counts_line
    client.hset(KEY, name, seal(name, content) if sealed else b"0123456789abcdef\n" + content)


def flip(client: Any, name: bytes) -> None:
    value = client.hget(KEY, name)
    client.hset(KEY, name, value[:-1] + bytes([value[-1] ^ 1]))


def as_earlier_releases_wrote_it(client: Any) -> None:
    client.hdel(KEY, "check", "attempts", "passed")


Damage = Callable[[Any], object]


def without(name: str) -> Damage:
    return lambda client: client.hdel(KEY, name)


DAMAGES: dict[str, Damage] = {
    "block_bytes is huge": lambda client: client.hset(KEY, "block_bytes", HUGE),
    "block_bytes is no number": lambda client: client.hset(KEY, "block_bytes", "many"),
    "a mark is far ahead": lambda client: write_mark(client, sealed=False, block=HUGE),
    "a mark is far ahead, and its check fits": lambda client: write_mark(client, sealed=True, block=HUGE),
    "a mark is negative": lambda client: write_mark(client, sealed=False, block=-7),
    "a mark is negative, and its check fits": lambda client: write_mark(client, sealed=True, block=-7),
    "a mark has a billion workers": lambda client: write_mark(client, sealed=False, workers=10**9),
    "the same, and its check fits": lambda client: write_mark(client, sealed=True, workers=10**9),
    "a mark is empty": lambda client: client.hset(KEY, marks_in(client)[0][0], ""),
    "a mark is missing": lambda client: client.hdel(KEY, marks_in(client)[0][0]),
    "a bit of a mark": lambda client: flip(client, marks_in(client)[0][0]),
    "all marks are missing": lambda client: client.hdel(KEY, *(name for name, _ in marks_in(client))),
    "the record is a string": lambda client: (client.delete(KEY), client.set(KEY, "x")),
    "the record is a list": lambda client: (client.delete(KEY), client.rpush(KEY, "x")),
    "it says that it is complete": lambda client: client.hset(KEY, "state", "complete"),
    "its check is missing": lambda client: client.hdel(KEY, "check"),
    "as an earlier release has left it": as_earlier_releases_wrote_it,
    **{
        f"{name} is missing": without(name)
        for name in ("state", "source", "template", "block_bytes", "attempts", "started")
    },
}


@pytest.mark.parametrize("kind", ["strings", "list"])
def test_a_damaged_record_is_refused_with_one_sentence_and_restart_works(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    client: Any = real_server.client()
    argv = (file, real_server.url, kind, "--job", "nightly")
    with meanwhile(hold_worker(proxy), proxy.cut_now):
        assert here.load(file, proxy.url, kind, "--job", "nightly", "--retry-for", "0").code == 4
    sound = client.dump(KEY)
    size = data_size(client)
    for name, damage in DAMAGES.items():
        damage(client)
        ended = here.load(*argv)
        assert ended.code == 4, (name, ended)
        assert "give --restart to load from the beginning" in ended.sentence, (name, ended)
        assert data_size(client) == size, name
        client.restore(KEY, 0, sound, replace=True)
    complete(here.load(*argv))
    assert_loaded(client, kind)
    for name in ("the record is a string", "a mark has a billion workers", "state is missing"):
        client.flushall()
        client.restore(KEY, 0, sound, replace=True)
        DAMAGES[name](client)
        assert complete(here.load(*argv, "--restart")).report["resumed_from"] is None
        assert_loaded(client, kind)


def test_what_does_not_belong_to_the_record_does_no_harm(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    client: Any = real_server.client()
    with meanwhile(hold_worker(proxy), proxy.cut_now):
        ended = here.load(file, proxy.url, "list", "--job", "nightly", "--retry-for", "0")
    stray = Checkpoint(0, 0, 1, "block", block=HUGE, token="another")  # a late worker's of another run
    client.hset(KEY, mapping={stray.field: stray.value, "note": "x", "present:0:another": "x", "run": "x"})
    again = complete(here.load(file, real_server.url, "list", "--job", "nightly"))
    assert again.report["resumed_from"] == ended.records["written"] < RECORDS
    assert_loaded(client, "list")


def test_the_pass_over_the_keys_is_believed_only_as_a_whole(
    here: Here, monkeypatch: pytest.MonkeyPatch, real_server: RealServer
) -> None:
    file = write_input(here.folder)
    client: Any = real_server.client()
    client.mset({"3": "old", "1100": "old"})
    options = ("--as", "set", "--if-exists", "skip", "--job", "nightly")
    with monkeypatch.context() as patched:
        patched.setattr(Job, "begin_attempt", _stop)
        assert here.load(file, real_server.url, "strings", *options).code == 130
    sound = client.dump(KEY)
    (present, *_) = (name for name in client.hkeys(KEY) if name.startswith(b"present:"))
    for damage in (lambda: client.hdel(KEY, present), lambda: flip(client, present)):
        damage()
        ended = here.load(file, real_server.url, "strings", *options)
        assert ended.code == 4
        assert "pass over the keys" in ended.sentence
        client.restore(KEY, 0, sound, replace=True)
    assert here.load(file, real_server.url, "strings", *options).records["skipped"] == 2


def _stop(*_: object) -> None:
    raise InterruptedRunError("stopped", 2)


def test_a_lock_of_another_type_is_named(here: Here, real_server: RealServer) -> None:
    real_server.client().rpush(KEY + ":lock", "x")
    ended = here.load(write_input(here.folder), real_server.url, "strings", "--job", "nightly")
    assert ended.code == 4
    assert ended.sentence.endswith("etl:{nightly}:lock is no lock: delete it, or give another --job")


def test_a_finished_job_is_kept_for_so_long_and_an_unfinished_one_for_ever(
    here: Here, small_blocks: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    client: Any = real_server.client()
    day_ms = 24 * 3600 * 1000
    for options, kept_ms in (((), 30 * day_ms), (("--keep-record", "12h"), day_ms // 2)):
        complete(here.load(file, real_server.url, "strings", "--job", "nightly", *options))
        assert kept_ms - 60_000 < client.pttl(KEY) <= kept_ms
    with meanwhile(hold_worker(proxy), proxy.cut_now):
        here.load(file, proxy.url, "strings", "--job", "nightly", "--retry-for", "0")
    assert client.hget(KEY, "state") == b"incomplete"
    assert client.pttl(KEY) == -1
    complete(here.load(file, real_server.url, "strings", "--job", "nightly", "--keep-record", "1"))
    assert client.pttl(KEY) <= 1_000
    assert all(client.ttl(key) != -1 for key in client.keys("etl:*"))
