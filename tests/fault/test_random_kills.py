"""Workers killed a hundred times at random moments, runs at every moment: every element exactly once."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any

import pytest

from etl.cli.main import main
from etl.sink.session.pipelined import PipelinedSession
from tests.fault.inline import Here, assert_loaded, assert_no_leftovers, complete, write_input
from tests.support import RealServer

KILLS = 50
"""Of each kind of load: together they are 100."""

COUNT = 1_200
MOST_AT_ONCE_S = 0.15
RATE = ("--max-rate", "8000")
"""So that a load of COUNT records takes long enough for several kills, and goes in many small pieces."""


class Killer(threading.Thread):
    """Kills a worker now and then, until it is told to end; ``draw`` chooses which one, and when."""

    def __init__(self, draw: random.Random, most: int) -> None:
        super().__init__(daemon=True)
        self._draw = draw
        self._most = most
        self._over = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while self.kills < self._most and not self._over.wait(self._draw.uniform(0.0, MOST_AT_ONCE_S)):
            workers = sorted(
                child.pid or 0
                for child in multiprocessing.active_children()
                if child.name.startswith("redis-etl")
            )
            if workers and not self._over.is_set():
                self.kills += self._kill(self._draw.choice(workers))

    def end(self) -> int:
        self._over.set()
        self.join()
        return self.kills

    @staticmethod
    def _kill(pid: int) -> int:
        try:
            os.kill(pid, SIGKILL)
        except ProcessLookupError:
            return 0
        return 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("kind", "seed"), [("strings", 1), ("list", 2)])
def test_a_hundred_kills_at_random_moments_lose_and_double_nothing(
    here: Here, small_blocks: None, real_server: RealServer, kind: str, seed: int
) -> None:
    draw = random.Random(seed)
    file = write_input(here.folder, COUNT)
    kills = 0
    while kills < KILLS:
        real_server.client().flushall()
        for _ in range(20):
            killer = Killer(draw, KILLS - kills)
            killer.start()
            ended = here.load(file, real_server.url, kind, "--workers", "2", *RATE)
            kills += killer.end()
            assert ended.code in (0, 137), ended
            if ended.code == 0:
                break
        complete(ended, COUNT)
        assert_loaded(real_server.client(), kind, COUNT)
        assert_no_leftovers(real_server.client())
    assert kills == KILLS


FEW = 16
OLD = (3, 13)
"""Records whose key is there before the job has begun."""


@dataclass(frozen=True, slots=True)
class Once:
    """A load of FEW lines; ``look`` gives what it has left, which is ``expected`` if all was done once."""

    options: tuple[str, ...]
    look: Callable[[Any], object]
    expected: object
    skipped: int = 0
    adds_up: bool = False


def _each_length(client: Any) -> object:
    lengths = {"string": client.strlen, "list": client.llen, "hash": client.hlen}
    keys = client.keys("k:*")
    return sorted((int(key[2:]), lengths[client.type(key).decode()](key)) for key in keys)


def _each_once(length: int) -> object:
    return [(number, 1 if number in OLD else length) for number in range(FEW)]


EVERY_MOMENT = {
    "INCRBY": Once(
        ("--command", "INCRBY counter 1"), lambda client: client.get("counter"), b"%d" % FEW, adds_up=True
    ),
    "replace": Once(("--as", "list", "--key", "k:{#}"), _each_length, _each_once(1)),
    "skip": Once(("--key", "k:{#}", "--if-exists", "skip"), _each_length, _each_once(99), len(OLD)),
    "pass": Once(
        ("--as", "hash", "--key", "k:{#}", "--if-exists", "skip", "--wire", "hset"),
        _each_length,
        _each_once(1),
        len(OLD),
    ),
}


def killed_at(moment: int, argv: list[str]) -> bool:
    """Run a command line in a forked process that is killed at a moment; return False if it ended before.

    Moments are those at which something is sent to the server and those at which answers are waited for,
    counted through the whole run; the last one is its end.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -SIGKILL
    left = moment

    def count_down(whole: Any) -> Any:
        def counted(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), SIGKILL)
            return whole(*args)

        return counted

    try:
        PipelinedSession.submit = count_down(PipelinedSession.submit)  # type: ignore[method-assign]
        PipelinedSession.drain = count_down(PipelinedSession.drain)  # type: ignore[method-assign]
        main(argv)
        if left == 0:
            os.kill(os.getpid(), SIGKILL)
    finally:
        os._exit(0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", EVERY_MOMENT)
def test_a_run_that_is_killed_at_any_moment_does_everything_once_when_it_is_repeated(
    here: Here, small_blocks: None, monkeypatch: pytest.MonkeyPatch, real_server: RealServer, name: str
) -> None:
    monkeypatch.setattr("etl.pipeline.plan.block_size", lambda nbytes, workers: 800)
    once = EVERY_MOMENT[name]
    client: Any = real_server.client()
    file = write_input(here.folder, FEW)
    argv = ("load", str(file), "--to", real_server.url, *once.options)
    quiet = ("--workers", "1", "--progress", "none", "--rejects", str(here.folder / "r"))
    moment = 0
    killed = True
    while killed:
        client.flushall()
        if once.look is _each_length:
            client.mset({f"k:{number}": "x" for number in OLD})
        killed = killed_at(moment, [*argv, *quiet])
        records = [client.hget(key, "state") for key in client.keys("etl:*") if not key.endswith(b":lock")]
        ended = here.run(*argv)
        assert ended.code == 0, (moment, ended)
        skipped, read = once.skipped, FEW
        if b"complete" in records:  # it is loaded anew: so all keys are there; or it is not
            skipped, read = (FEW, FEW) if once.skipped else (0, 0 if once.adds_up else FEW)
        whole = {"read": read, "written": read - skipped, "skipped": skipped, "rejected": 0}
        assert ended.records == whole, (moment, ended)
        assert ("nothing to do (--restart loads it again)" in ended.stderr) == (read == 0)
        assert once.look(client) == once.expected, (moment, ended)
        moment += 1
    assert moment > 20
    assert b"complete" in records
