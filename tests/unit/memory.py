"""A target in memory, and an encoder whose wire is its records: what a worker does, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etl.encode.wire import Wire
from etl.plan import Answer
from etl.report import Refusal, Verdict


@dataclass(frozen=True, slots=True)
class PairsEncoder:
    """One command a record: its number, a tab, and the line in hexadecimal digits."""

    def encode(self, batch: pa.RecordBatch) -> Wire:
        rows = zip(batch.column("#").to_pylist(), batch.column("line").to_pylist(), strict=True)
        data = b"".join(b"%d\t%s\n" % (number, line.hex().encode()) for number, line in rows)
        return Wire((data,), range(batch.num_rows + 1), b"+" * batch.num_rows, len(data))

    def judge(self, batch: pa.RecordBatch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        if replies is None:
            return Verdict(written=wire.records)
        refusals = tuple(Refusal(i, reply) for i, reply in enumerate(replies) if reply != "OK")
        return Verdict(written=wire.records - len(refusals), refusals=refusals)


@dataclass(slots=True)
class MemorySession:
    """Answers every wire with what ``answers`` holds for it, else as expected; late by ``lag`` wires."""

    name: str
    lag: int = 0
    answers: dict[int, Sequence[Any]] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    closed: bool = False
    waiting: list[Answer] = field(default_factory=list)
    fails_at: int | None = None
    failure: Exception | None = None

    @property
    def pairs(self) -> list[tuple[int, bytes]]:
        rows = [
            row.split(b"\t")
            for wire in self.wires
            for row in b"".join(map(bytes, wire.buffers)).split(b"\n")[:-1]
        ]
        return [(int(number), bytes.fromhex(digits.decode())) for number, digits in rows]

    def submit(self, wire: Wire, token: Any) -> Iterator[Answer]:
        if self.failure is not None and len(self.wires) == self.fails_at:
            raise self.failure
        self.waiting.append(Answer(token, wire, self.answers.get(len(self.wires))))
        self.wires.append(wire)
        while len(self.waiting) > self.lag:
            yield self.waiting.pop(0)

    def drain(self) -> Iterator[Answer]:
        while self.waiting:
            yield self.waiting.pop(0)

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class MemoryTarget:
    """Gives sessions as ``plan`` has them, and remembers them."""

    sessions: list[MemorySession] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)

    def connect(self, client_name: str) -> MemorySession:
        session = MemorySession(client_name, **self.plan)
        self.sessions.append(session)
        return session

    def __str__(self) -> str:
        return "memory"
