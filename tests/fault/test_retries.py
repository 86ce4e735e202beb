"""Connections that are lost and found again: everything without an answer is sent again, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.sink.session.reconnecting import ReconnectingSession
from tests.fault.inline import (
    HELD_BYTES,
    KINDS,
    Here,
    assert_loaded,
    assert_no_leftovers,
    complete,
    every_kind,
    hold_worker,
    meanwhile,
    write_input,
)
from tests.support import RealServer, RecordingProxy, data_size

FEW = 20


@every_kind
def test_a_server_that_was_frozen_past_the_bound_on_silence_gets_everything_once(
    here: Here, impatient: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    steps = (
        hold_worker(proxy),
        real_server.freeze,
        proxy.release,  # the bytes lie in the server's socket now, and are applied when it thaws
        lambda: proxy.wait_for_connections(len(proxy.sent) + 1),  # it tries to come back
        real_server.thaw,
    )
    with meanwhile(*steps):
        complete(here.load(file, proxy.url, kind))
    assert_loaded(real_server.client(), kind)
    assert_no_leftovers(real_server.client())


@pytest.mark.parametrize(
    ("kind", "killed"),
    [*((kind, True) for kind in KINDS), ("strings", False), ("list", False)],
    ids=lambda value: {True: "killed", False: "not killed"}.get(value, value),
)
def test_bytes_of_an_abandoned_connection_that_arrive_late_change_nothing(
    here: Here,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    real_server: RealServer,
    proxy: RecordingProxy,
    kind: str,
    killed: bool,
) -> None:
    if not killed:  # as on a server where CLIENT KILL is not permitted
        monkeypatch.setattr(ReconnectingSession, "_end", lambda self, old: None)
    file = write_input(here.folder)
    hold_worker(proxy)
    complete(here.load(file, proxy.url, kind))
    assert_loaded(real_server.client(), kind)
    proxy.release()
    first = proxy.wait_for_client("redis-etl-0")
    assert len(proxy.sent[first]) > HELD_BYTES
    proxy.wait_closed(first)
    assert_loaded(real_server.client(), kind)


@pytest.mark.parametrize("kind", ["strings", "list"])
def test_a_load_whose_reply_stream_is_cut_after_any_byte_completes(
    here: Here, real_server: RealServer, kind: str
) -> None:
    file = write_input(here.folder, FEW)
    with RecordingProxy(real_server.port) as proxy:
        complete(here.load(file, proxy.url, kind), FEW)
        replies = proxy.replies[proxy.wait_for_client("redis-etl-0")]
    for after in [*range(0, len(replies) - 60, 97), *range(max(len(replies) - 60, 0), len(replies), 3)]:
        real_server.client().flushall()
        with RecordingProxy(real_server.port) as proxy:
            proxy.cut("to_client", after=after, client="redis-etl-0", ending="fin")
            complete(here.load(file, proxy.url, kind), FEW)
        assert_loaded(real_server.client(), kind, FEW)


@every_kind
def test_a_connection_that_becomes_a_black_hole_is_replaced(
    here: Here, impatient: None, real_server: RealServer, proxy: RecordingProxy, kind: str
) -> None:
    file = write_input(here.folder)
    proxy.hold("to_client", after=2_500, client="redis-etl-0")
    complete(here.load(file, proxy.url, kind))
    assert_loaded(real_server.client(), kind)


def test_a_server_that_stays_a_black_hole_is_given_up_after_the_deadline(
    here: Here, impatient: None, short_lock: None, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    step = hold_worker(proxy)
    with meanwhile(step, lambda: proxy.hold("to_client")):
        ended = here.load(file, proxy.url, "strings", "--retry-for", "1")
    assert ended.code == 4
    assert "tried again for 1.00 s (--retry-for)" in ended.sentence
    assert ended.report["status"] == "failed"
    proxy.release()
    job = ("--job", ended.report["job"], "--wait-lock", "30")
    again = complete(here.load(file, real_server.url, "strings", *job))
    # A mark may still have been on its way when nothing came through any more.
    assert 0 <= again.report["resumed_from"] <= ended.records["read"]
    assert_loaded(real_server.client(), "strings")


def test_a_record_that_is_flushed_away_in_the_middle_ends_the_run_and_not_the_next_one(
    here: Here, real_server: RealServer, proxy: RecordingProxy, tmp_path: Path
) -> None:
    file = write_input(here.folder)
    step = hold_worker(proxy)
    with meanwhile(step, real_server.client().flushall, proxy.release):
        ended = here.load(file, proxy.url, "strings")
    assert ended.code == 4
    assert "the record of this job was removed while the run went on" in ended.sentence
    complete(here.load(file, proxy.url, "strings"))
    assert_loaded(real_server.client(), "strings")


def test_no_loader_hides_behind_the_clients_own_retries(
    here: Here, real_server: RealServer, proxy: RecordingProxy
) -> None:
    file = write_input(here.folder)
    step = hold_worker(proxy)
    with meanwhile(step, lambda: proxy.cut_now()):
        ended = here.load(file, proxy.url, "list", "--retry-for", "0")
    assert ended.code == 4
    assert "without a reply" in ended.sentence
    assert data_size(real_server.client()) <= 1
    complete(here.load(file, proxy.url, "list"))
    assert_loaded(real_server.client(), "list")
