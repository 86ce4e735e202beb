"""Targets in memory, and encoders whose wire is its records: what a worker does, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa

from etl.plan import Batch, BatchResult, Plan, Projection, Refusal, Reject, Response, Source, StopFlag, Wire
from etl.report import Counters, RejectLimit
from etl.sink.error_replies import error_reply
from etl.sink.session.backoff import Backoff
from etl.template import Template, parse_template
from tests.unit.encode.model import Model
from tests.unit.given import parse_commands, replies_in, stream_of

LACKING = b"lacking"
"""A line that cannot be encoded."""

BAD = b"bad"
"""A line that ``refusing`` servers refuse."""

REFUSED = error_reply("WRONGTYPE Operation against a key holding the wrong kind of value")

Pair = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class PairsEncoder:
    """Groups of ``size`` records to a command: number, tab, line in hexadecimal digits, one row a record.

    A refused group of several is to be sent one by one.
    """

    size: int = 1

    @property
    def templates(self) -> tuple[Template, ...]:
        return (parse_template("{#}{line}", option="--key"),)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        lines = lines_in(batch)
        kept = [index for index, line in enumerate(lines) if line != LACKING]
        refusals = [Refusal(i, "it has no field {x}") for i, line in enumerate(lines) if line == LACKING]
        return (batch.take(pa.array(kept, pa.int64())) if refusals else batch), refusals

    def keys(self, batch: Batch) -> pa.Array:
        return batch.line

    def encode(self, batch: Batch) -> Wire:
        assert batch.numbers is not None
        rows = zip(batch.numbers.to_pylist(), lines_in(batch), strict=True)
        data = b"".join(b"%d\t%s\n" % (number, line.hex().encode()) for number, line in rows)
        boundaries = [*range(0, len(batch), self.size), len(batch)]
        return Wire((data,), boundaries, b"+" * (len(boundaries) - 1), len(data))

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        if replies is None:
            return BatchResult(written=wire.records)
        assert len(replies) == wire.commands
        groups = zip(pairwise(wire.boundaries), replies, strict=True)
        refused = [(range(*bounds), reply) for bounds, reply in groups if reply != "OK"]
        if self.size > 1:
            again = tuple(index for indices, _ in refused for index in indices)
            return BatchResult(written=wire.records - len(again), again=again)
        refusals = tuple(Refusal(index, reply) for indices, reply in refused for index in indices)
        return BatchResult(written=wire.records - len(refusals), refusals=refusals)


def lines_in(batch: Batch) -> list[bytes]:
    """Return the lines of a batch of lines, or the original text of other records."""
    column = batch.line if batch.line is not None else batch.fields.column("line")
    lines: list[bytes] = column.to_pylist()
    return lines


def pairs_in(wire: Wire) -> list[Pair]:
    """Read a wire of a PairsEncoder."""
    rows = [row.split(b"\t") for row in stream_of(wire).split(b"\n")[:-1]]
    return [(int(number), bytes.fromhex(digits.decode())) for number, digits in rows]


def refusing(wire: Wire) -> Sequence[Any] | None:
    """Answer as a server that refuses each command with a ``BAD`` line in it."""
    lines = [line for _, line in pairs_in(wire)]
    replies = [REFUSED if BAD in lines[start:stop] else "OK" for start, stop in pairwise(wire.boundaries)]
    return None if set(replies) <= {"OK"} else replies


@dataclass(slots=True)
class MemorySession:
    """Answers every wire with what ``answers`` holds for it, else as ``answer`` says; late by ``lag`` wires.

    Instead of the wire number ``fails_at`` it meets ``failure``.
    """

    name: str
    lag: int = 0
    answers: dict[int, Sequence[Any]] = field(default_factory=dict)
    answer: Callable[[Wire], Sequence[Any] | None] = refusing
    wires: list[Wire] = field(default_factory=list)
    closed: bool = False
    waiting: list[Response] = field(default_factory=list)
    fails_at: int | None = None
    failure: Exception | None = None

    @property
    def pairs(self) -> list[Pair]:
        return [pair for wire in self.wires for pair in pairs_in(wire)]

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        number = len(self.wires)
        if self.failure is not None and number == self.fails_at:
            raise self.failure
        replies = self.answers[number] if number in self.answers else self.answer(wire)
        self.waiting.append(Response(token, wire, replies))
        self.wires.append(wire)
        while len(self.waiting) > self.lag:
            yield self.waiting.pop(0)

    def drain(self) -> Iterator[Response]:
        while self.waiting:
            yield self.waiting.pop(0)

    def renew(self) -> None:
        """It is always the same."""

    def close(self) -> None:
        self.closed = True


class Near:
    """What a target in memory is spared: connections that break, and servers that change."""

    __slots__ = ()
    embedded = False
    clustered = False
    slot: int | None = None
    takes: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return str(self)

    def first_slots(self) -> tuple[None]:
        return (None,)

    def primaries(self) -> tuple[Any]:
        return (self,)

    def holding(self, key: bytes) -> Any:
        return self

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> Any:
        return self.connect(client_name)  # type: ignore[attr-defined]

    def connect_routed(self, client_name: str, stop: StopFlag) -> None:
        return None

    def identify(
        self, client_name: str, stop: StopFlag, retry_for_s: float | None = None, told: Any = None
    ) -> Any:
        return self

    def bounded(self, records: int | None, nbytes: int | None) -> Any:
        return self

    def backoff(self, stop: StopFlag) -> Backoff:
        return Backoff(0.0, stop)


class Told:
    """A StopFlag that asks ``stop`` and never waits."""

    def __init__(self, stop: Callable[[], bool] = lambda: False) -> None:
        self.is_set = stop

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


@dataclass(frozen=True, slots=True)
class MemoryTarget(Near):
    """Gives sessions as ``plan`` has them, and remembers them."""

    sessions: list[MemorySession] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def pairs(self) -> list[Pair]:
        return [pair for session in self.sessions for pair in session.pairs]

    def connect(self, client_name: str) -> MemorySession:
        session = MemorySession(client_name, **self.plan)
        self.sessions.append(session)
        return session

    def __str__(self) -> str:
        return "memory"


@dataclass(frozen=True, slots=True)
class ModelTarget(Near):
    """A small Redis in memory: real commands go in, real replies come out."""

    model: Model = field(default_factory=Model)

    def connect(self, client_name: str) -> ModelSession:
        return ModelSession(self.model)

    def __str__(self) -> str:
        return "model"


@dataclass(frozen=True, slots=True)
class ModelSession:
    """Carries out each wire at once."""

    model: Model

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        stream = b"".join(self.model.answer(command) for command in parse_commands(stream_of(wire)))
        as_expected = wire.expected is not None and stream == bytes(wire.expected)
        yield Response(token, wire, None if as_expected else replies_in(stream))

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        """It is always the same."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class RejectList:
    """A RejectSink that keeps what it is given, or fails."""

    rejects: list[Reject] = field(default_factory=list)
    failure: Exception | None = None

    def write(self, rejects: list[Reject]) -> None:
        if self.failure is not None:
            raise self.failure
        self.rejects.extend(rejects)

    def for_attempt(self, number: int) -> RejectList:
        return self


def plan_for(source: Source, target: Any = None, *, block_bytes: int = 1 << 20, **parts: Any) -> Plan:
    """Make a plan over a source of text; what is not given is one worker, whole blocks and no rejects."""
    made: dict[str, Any] = {
        "source": source,
        "projection": Projection(names=frozenset({"line"}), line=True),
        "target": MemoryTarget() if target is None else target,
        "encoder": PairsEncoder(),
        "single": PairsEncoder(),
        "workers": 1,
        "split": "block",
        "progress": "none",
        "reject_limit": RejectLimit(count=0),
        "rejects": None,
        "block_bytes": block_bytes,
    } | parts
    if "blocks" not in made:
        made["blocks"] = None if source.streamed else tuple(source.blocks(block_bytes))
    return Plan(**made)


def tally_of(workers: int) -> Counters:
    return Counters([0] * Counters.size(workers), workers)
