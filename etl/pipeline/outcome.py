"""How a run ended, folded into its report. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from etl.pipeline.execution import Ended
from etl.report import COUNTED, SUPERSEDED, Counters, Report, WorkerReport
from etl.worker import MAX_EXAMPLES
from etl.worker.messages import Finished


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run's report is folded from; ``seconds`` is the whole run's time.

    ``resumed_from`` are the records that earlier runs have read, where it went on.
    """

    verb: str
    job: str
    target: str
    counters: Counters
    ended: Ended
    seconds: float
    resumed_from: int | None = None

    def report_or_raise(self) -> Report:
        """Return the report of a complete run. Raises the run's error, with the report so far."""
        if self.ended.error is not None:
            self.ended.error.report = self.report()
            raise self.ended.error
        return self.report()

    def report(self) -> Report:
        """Fold counts and the results of shards into the report."""
        spent = {result.worker: result.seconds for result in self.ended.results}
        workers = tuple(
            WorkerReport(
                records=self.counters.of(worker, "records_read"),
                blocks=self.counters.of(worker, "blocks_done"),
                seconds=spent.get(worker, 0.0),
            )
            for worker in range(self.counters.workers)
        )
        examples = [
            example
            for result in self.ended.results
            if isinstance(result, Finished)
            for example in result.examples
        ]
        examples.sort(key=lambda example: -1 if example.record is None else example.record)
        error = self.ended.error
        return Report(
            verb=self.verb,
            status="complete" if error is None else error.status,
            job=self.job,
            target=self.target,
            records={name: self.counters.total(f"records_{name}") for name in self._counted},
            bytes=self.counters.total("bytes_done"),
            seconds=self.seconds,
            workers=workers,
            resumed_from=self.resumed_from,
            examples=tuple(examples[:MAX_EXAMPLES]),
            error=None if error is None else str(error),
            rejected=self.ended.rejected,
            nodes=self._nodes(),
        )

    @property
    def _counted(self) -> tuple[str, ...]:
        counted = COUNTED[self.verb]
        return (*counted, SUPERSEDED) if self.ended.keys_once else counted

    def _nodes(self) -> dict[str, int]:
        """Return the records that each node of a cluster has answered for, by its name."""
        nodes: dict[str, int] = {}
        for result in self.ended.results:
            if isinstance(result, Finished):
                for node, records in result.nodes.items():
                    nodes[node] = nodes.get(node, 0) + records
        return dict(sorted(nodes.items()))
