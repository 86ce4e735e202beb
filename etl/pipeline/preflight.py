"""What is asked of the server before a run and at its end, so that no run begins or ends in vain."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etl.encode.examples import CommandArgs, examples, expires
from etl.errors import EtlError, TargetError
from etl.options import LoadOptions
from etl.plan import Encoder, Source, StopFlag, Target
from etl.report import Counters
from etl.sink.control import ControlConnection
from etl.sink.preflight.checks import evicted, require_commands, require_room, require_server
from etl.sink.preflight.facts import UNKNOWN, Findings, Info, read_info
from etl.sink.preflight.memory_watch import MemoryGuard
from etl.sink.preflight.survey import info_now, read_server_facts


@dataclass(frozen=True, slots=True)
class Preflight:
    """Judges what ``target`` has said of itself. For a verb that only reads, memory and role do not count."""

    target: Target
    findings: Findings
    stop: StopFlag
    writes: bool
    may_evict: bool
    more: tuple[CommandArgs, ...] = ()

    @classmethod
    def ask(
        cls,
        target: Target,
        options: LoadOptions,
        encoders: Iterable[Encoder],
        source: Source,
        stop: StopFlag,
        more: tuple[CommandArgs, ...] = (),
    ) -> Preflight:
        """Ask the server, and refuse one that cannot take what is sent. Raises TargetError.

        That is what the encoders send, and ``more``.

        What it lacks in single commands is refused by ``permit``: the encoders may change in between.
        """
        writes = options.WRITES
        may_evict = not writes or options.allow_eviction
        commands = examples(encoders)
        guard = cls(
            target, read_server_facts(target, (*commands, *more), stop), stop, writes, may_evict, more
        )
        require_server(guard.findings.info, target, writes=writes, takes=target.takes)
        if not may_evict:
            expiring = any(map(expires, commands))
            require_room(guard.findings.info, target, nbytes=source.nbytes, expiring=expiring)
        return guard

    def permit(self, encoders: Iterable[Encoder]) -> None:
        """Refuse commands that the server does not have, or that the user may not run. Raises TargetError.

        Only those that were asked about: what came in place of others since then was tried.
        """
        require_commands(self.findings, (*examples(encoders), *self.more), self.target)

    @contextlib.contextmanager
    def watching(self, counters: Counters, patience_s: float) -> Iterator[None]:
        """Have the workers pause, while entered, before a server with a limit is full."""
        if not (self.writes and self.findings.info.maxmemory):
            yield
            return
        with contextlib.closing(ControlConnection(self.target, self.stop)) as console:
            watch = MemoryGuard(counters, lambda: _memory(console), patience_s)
            watch.look(time.monotonic())
            watch.start()
            try:
                yield
            finally:
                watch.leave()

    def loss(self) -> TargetError | None:
        """Return the error of a run that went well while the server evicted keys, else None."""
        if self.may_evict or self.findings.info.evicted_keys is None:
            return None
        return evicted(self.findings.info, info_now(self.target, self.stop), self.target)


def _memory(console: ControlConnection) -> Info:
    try:
        (reply,) = console.ask((b"INFO", b"memory"))
    except EtlError:  # the workers find out for themselves
        return UNKNOWN
    return read_info(reply)
