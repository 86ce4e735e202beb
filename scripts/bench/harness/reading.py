"""How fast a client reads back what was loaded: one command a round trip."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import hiredis

from .errors import BenchError
from .server import Server


@dataclass(frozen=True, slots=True)
class Reads:
    """Medians in microseconds: of reading a whole record, and one field of it (None: it has no fields)."""

    whole_us: float
    field_us: float | None


def random_numbers(records: int, times: int) -> list[int]:
    """The same numbers of records in every measurement, from all over the data."""
    source = random.Random(records)
    return [source.randrange(records) for _ in range(times)]


def median_us(server: Server, commands: Iterable[bytes]) -> float:
    """Sends each command and waits for its reply. Raises BenchError for a reply that is empty or an error."""
    taken: list[int] = []
    reader = hiredis.Reader()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for command in commands:
            begun_at = time.perf_counter_ns()
            connection.sendall(command)
            while (reply := reader.gets()) is False:
                reader.feed(connection.recv(65536))
            taken.append(time.perf_counter_ns() - begun_at)
            if not reply or isinstance(reply, Exception):
                raise BenchError(f"{command!r} was answered by {reply!r}")
    return median(taken) / 1000
