"""Workers killed a hundred times at random moments: every element exactly once."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from signal import SIGKILL

import pytest

from tests.fault.inline import Here, assert_loaded, assert_no_leftovers, complete, write_input
from tests.support import RealServer

KILLS = 50
"""Of each kind of load: together they are 100."""

COUNT = 400
MOST_AT_ONCE_S = 0.25
RATE = ("--max-rate", "4000")
"""So that a load of COUNT records takes a tenth of a second at least, in pieces of a hundred records."""


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
    here: Here, real_server: RealServer, kind: str, seed: int
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
