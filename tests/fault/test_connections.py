"""Connections that break, close or fall silent, and servers that die or read no further."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from etl.encode.strategies.mset import MsetEncoder
from etl.errors import TargetError
from etl.plan import Plan, Projection
from etl.report import Counters, RejectLimit
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.source.storage.local import find_files
from etl.source.text.files import open_text_files
from etl.source.text.lines import Lines
from etl.template import NUMBER, Field, Template
from etl.worker.run_shard import run_shard
from tests.fault.commands import (
    Command,
    StartCommand,
    connection_of,
    hold_in_the_middle,
    run_here,
    wait_for_the_middle,
    write_lines,
)
from tests.support import CLOSE, OK, RealServer, RecordingProxy, ScriptedServer, bulk, data_size, nth
from tests.unit.memory import Told

Ending = Literal["rst", "fin"]

IMPATIENT = """
import contextlib
from dataclasses import replace
from etl.sink.deployments import standalone
opened = standalone.open

@contextlib.contextmanager
def open(url, options):
    with opened(url, options) as target:
        yield replace(target, read_timeout_s=0.5)

standalone.open = open
"""
"""A server is given up after half a second of silence, and not after 30 seconds."""


def loading(
    start: StartCommand, file: Path, url: str, workers: int = 2, method: str = "forkserver", patch: str = ""
) -> Command:
    """Load with the patience of a loader that gives up at the first lost connection."""
    to = ("--to", url, "--workers", str(workers), "--start-method", method, "--retry-for", "0")
    return start("load", file, *to, patch=patch)


def in_the_middle(start: StartCommand, file: Path, proxy: RecordingProxy, workers: int) -> Command:
    hold_in_the_middle(proxy)
    command = loading(start, file, proxy.url, workers)
    wait_for_the_middle(proxy, workers)
    return command


def few_lines(folder: Path, lines: int = 3) -> Path:
    (folder / "few.txt").write_text("".join(f"line {number}\n" for number in range(lines)))
    return folder / "few.txt"


def load_inline(file: Path, url: str) -> tuple[Counters, TargetError | None]:
    """Load in this process, each line by an MSET of its own; give the counts and the error, if any."""
    source = open_text_files(find_files([str(file)]), Lines())
    encoder = MsetEncoder(Template((Field(NUMBER),)), Template((Field("line"),)))
    plan = Plan(
        source=source,
        projection=Projection(names=frozenset({"line"})),
        target=StandaloneTarget(parse_address(url), retry_for_s=0),
        encoder=encoder,
        single=encoder,
        blocks=tuple(source.blocks(1)),
        workers=1,
        split="block",
        progress="none",
        reject_limit=RejectLimit(count=0),
        rejects=None,
    )
    counters = Counters([0] * Counters.size(1), 1)
    try:
        run_shard(plan, 0, counters, Told())
    except TargetError as error:
        return counters, error
    return counters, None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_killed_ends_the_run(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy, workers: int
) -> None:
    command = in_the_middle(start, big_file, proxy, workers)
    real_server.kill()
    proxy.release()
    ended = command.end()
    assert ended.code == 4
    assert proxy.url in ended.sentence
    assert "without a reply" in ended.sentence
    assert ended.report["status"] == "failed"


@pytest.mark.parametrize("ending", ["rst", "fin"])
@pytest.mark.parametrize("workers", [1, 2])
def test_connections_that_are_cut_end_the_run(
    start: StartCommand,
    big_file: Path,
    real_server: RealServer,
    proxy: RecordingProxy,
    workers: int,
    ending: Ending,
) -> None:
    command = in_the_middle(start, big_file, proxy, workers)
    proxy.cut_now(ending=ending)
    ended = command.end()
    assert ended.code == 4
    assert proxy.url in ended.sentence
    assert "without a reply" in ended.sentence
    assert ended.records["written"] <= data_size(real_server.client())


def test_one_cut_connection_ends_the_others_after_what_is_in_flight(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    command = in_the_middle(start, big_file, proxy, 2)
    proxy.cut_now(connection=connection_of(proxy, 1))
    proxy.release()
    ended = command.end()
    assert ended.code == 4
    assert ended.report["workers"][0]["records"] > 0
    assert 0 < ended.records["written"] <= data_size(real_server.client()) < 36_000


@pytest.mark.parametrize("ending", ["rst", "fin"])
def test_a_reply_stream_cut_after_any_byte_is_one_clear_error(tmp_path: Path, ending: Ending) -> None:
    file = few_lines(tmp_path)
    with ScriptedServer() as server:
        with RecordingProxy(server.port) as proxy:
            assert load_inline(file, proxy.url)[1] is None
            (replies,) = proxy.replies
        handshake_bytes = len(replies) - 3 * len(OK)
        for after in range(len(replies)):
            with RecordingProxy(server.port) as proxy:
                proxy.cut("to_client", after=after, ending=ending)
                counters, error = load_inline(file, proxy.url)
            assert proxy.url in str(error)
            written, answered = counters.total("records_written"), max(0, after - handshake_bytes) // len(OK)
            assert written == answered or (ending == "rst" and written < answered)


def test_a_black_hole_is_given_up_after_the_bound_on_silence(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    proxy.hold("to_client", after=300)
    ended = loading(start, big_file, proxy.url, patch=IMPATIENT).end()
    assert ended.code == 4
    assert "has not answered for 0.50 s" in ended.sentence
    assert proxy.url in ended.sentence
    assert ended.records["written"] <= data_size(real_server.client())


def test_a_server_that_falls_silent_in_the_handshake_is_given_up(
    start: StartCommand, big_file: Path, proxy: RecordingProxy
) -> None:
    proxy.hold("to_client")
    ended = loading(start, big_file, proxy.url, patch=IMPATIENT).end()
    assert ended.code == 4
    assert ended.sentence == f"{proxy.url} does not answer; is a Redis server running there?"


def test_a_slow_server_is_not_given_up_as_long_as_it_answers(
    start: StartCommand, tmp_path: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    proxy.delay("to_client", 0.3)
    file = write_lines(tmp_path / "some.txt", 20_000_000)
    ended = loading(start, file, proxy.url, 1, patch=IMPATIENT).end()
    assert ended.code == 0
    assert ended.records["written"] == data_size(real_server.client()) == 20_000


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("verb", ["load", "verify"])
def test_a_server_that_reads_nothing_until_its_replies_are_read_is_no_deadlock(
    start: StartCommand, tmp_path: Path, verb: str, workers: int
) -> None:
    file = write_lines(tmp_path / "some.txt", 12_000_000)
    lines = file.read_bytes().splitlines()

    def answer(command: list[bytes]) -> bytes:
        if command[0] != b"MGET":
            return OK
        return b"*%d\r\n" % (len(command) - 1) + b"".join(bulk(lines[int(key)]) for key in command[1:])

    options = () if verb == "verify" else ("--ttl", "100")  # an answer a record, to have more of them
    with ScriptedServer(answer, greedy_replies=False) as server:
        ended = start(verb, file, "--to", server.url, "--workers", str(workers), *options).end()
        assert ended.code == 0, ended.stderr
        assert ended.records["equal" if verb == "verify" else "written"] == 12_000


def test_a_server_that_hangs_up_in_the_middle_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], big_file: Path
) -> None:
    with ScriptedServer(nth(8, CLOSE, of="MSET")) as server:
        ended = run_here(capsys, "load", big_file, "--to", server.url, "--retry-for", "0")
        assert ended.code == 4
        assert server.url in ended.sentence
        assert "without a reply" in ended.sentence
        assert sum(len(command) // 2 for command in server.commands[:7]) >= ended.records["written"] > 0


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\0"])
def test_a_server_that_talks_nonsense_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], big_file: Path, nonsense: bytes
) -> None:
    with ScriptedServer(nth(5, nonsense, of="MSET")) as server:
        ended = run_here(capsys, "load", big_file, "--to", server.url)
        assert ended.code == 4
        assert server.url in ended.sentence


def test_a_server_that_is_not_there_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with RecordingProxy(1) as proxy:
        url = proxy.url
    ended = run_here(capsys, "load", few_lines(tmp_path), "--to", url)
    assert ended.code == 4
    assert ended.sentence == f"cannot reach {url}: connection refused"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("redis://no-such-host.invalid:6379/0", "name"),
        ("unix:///no/such/socket", "no such file or directory"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str, cause: str
) -> None:
    ended = run_here(capsys, "load", few_lines(tmp_path), "--to", url)
    assert ended.code == 4
    assert ended.sentence.startswith(f"cannot reach {url}")
    assert cause in ended.sentence
