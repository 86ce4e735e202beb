"""What is asked of the server before a run and at its end, so that no run begins or ends in vain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etl.encode.example import examples, expires
from etl.errors import TargetError
from etl.options import LoadOptions, Options
from etl.plan import Encoder, Source, Target
from etl.target.preflight import Findings, evicted, require_commands, require_room, require_server
from etl.target.survey import info_now, survey


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges what ``target`` has said of itself. For a verb that only reads, memory and role do not count."""

    target: Target
    findings: Findings
    writes: bool
    may_evict: bool

    @classmethod
    def ask(cls, target: Target, options: Options, encoders: Iterable[Encoder], source: Source) -> Guard:
        """Ask the server, and refuse one that cannot take what the encoders send. Raises TargetError.

        What it lacks in single commands is refused by ``permit``: the encoders may change in between.
        """
        writes = isinstance(options, LoadOptions)
        may_evict = not isinstance(options, LoadOptions) or options.allow_eviction
        commands = examples(encoders)
        guard = cls(target, survey(target, commands), writes, may_evict)
        require_server(guard.findings.info, target, writes=writes)
        if not may_evict:
            expiring = any(map(expires, commands))
            require_room(guard.findings.info, target, nbytes=source.nbytes, expiring=expiring)
        return guard

    def permit(self, encoders: Iterable[Encoder]) -> None:
        """Refuse commands that the server does not have, or that the user may not run. Raises TargetError.

        Only those that were asked about: what came in place of others since then was tried.
        """
        require_commands(self.findings, examples(encoders), self.target)

    def loss(self) -> TargetError | None:
        """Give the error of a run that went well while the server evicted keys, else None."""
        if self.may_evict or self.findings.info.evicted_keys is None:
            return None
        return evicted(self.findings.info, info_now(self.target), self.target)
