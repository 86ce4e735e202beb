"""What became of a worker's records: counted, shown by examples, and the rejects written down."""

from __future__ import annotations

from collections.abc import Sequence

from etl.encode.verify.excerpt import excerpts
from etl.errors import RejectedError
from etl.plan import Batch, BatchResult, Block, Checkpoint, Difference, Gathered, Plan, Reject, owner
from etl.report import Counters, Example
from etl.worker.ledger import Ledger
from etl.worker.selection import record_number

MAX_EXAMPLES = 5
"""Differences that one worker reports in full; the others are counted."""


class ResultRecorder:
    """One worker's results. ``present``: what the load skips after a pre-pass, a bit a record."""

    def __init__(self, plan: Plan, worker: int, counters: Counters, ledger: Ledger) -> None:
        self._plan = plan
        self._worker = worker
        self._counters = counters
        self._ledger = ledger
        self.examples: list[Example] = []
        self.present: dict[int, bytes] = {}
        self.gathered: Gathered | None = None
        self.nodes: dict[str, int] = {}

    def record(self, block: Block, batch: Batch, result: BatchResult, records: int) -> None:
        """Count what became of a batch of ``records`` records, but for those refused or sent again."""
        for counter, count in (
            ("records_read", records - len(result.refusals) - len(result.again)),
            ("records_written", result.written),
            ("records_skipped", result.skipped),
            ("records_equal", result.equal),
            ("records_missing", result.missing),
            ("records_different", result.different),
        ):
            if count:
                self._count(block, counter, count)
        self._note_differences(batch, result.differences)
        if result.gathered is not None:
            before = self.gathered
            self.gathered = result.gathered if before is None else before.and_also(result.gathered)
        if result.present:
            self._note_present(block, batch, result.present)

    def note_node(self, node: str, records: int) -> None:
        """Note that a node of a cluster has answered for records."""
        self.nodes[node] = self.nodes.get(node, 0) + records

    def _note_differences(self, batch: Batch, differences: Sequence[Difference]) -> None:
        sink = self._plan.differences
        noted = differences if sink is not None else differences[: MAX_EXAMPLES - len(self.examples)]
        whole = [Example(record_number(batch, d.index), d.key, d.expected, d.found) for d in noted]
        if sink is not None and whole:
            sink.write(whole)
        for example in whole[: MAX_EXAMPLES - len(self.examples)]:
            expected, found = excerpts(example.expected, example.found)
            self.examples.append(Example(example.record, example.key, expected, found))

    def end_block(self, block: Block) -> None:
        """Note that all of a block was read and sent."""
        if self._counts_bytes_of(block):
            self._ledger.count(block, "bytes_done", block.nbytes)
        self._ledger.end(block)

    def complete_blocks(self) -> Checkpoint | None:
        """Count the blocks that are completed by now; return the checkpoint after them, None without any."""
        completed = False
        while (block := self._ledger.done()) is not None:
            completed = True
            self._counters.add(self._worker, "blocks_done", 1)
            if self._counts_bytes_of(block):
                self._counters.add(self._worker, "bytes_done", block.nbytes)
        return self._ledger.checkpoint if completed else None

    def _counts_bytes_of(self, block: Block) -> bool:
        # With --split record every worker visits every block; it is counted once, by its owner.
        return owner(block, self._plan.workers) == self._worker

    def refuse(self, block: Block, rejects: list[Reject]) -> None:
        """Count rejects and write them down. Raises RejectedError when there are too many by now."""
        if not rejects:
            return
        if self._plan.rejects is not None:
            self._plan.rejects.write(rejects)
        for counter in ("records_read", "records_rejected"):
            self._count(block, counter, len(rejects))
        rejected = self._counters.total("records_rejected")
        if self._plan.reject_limit.exceeded(rejected, self._counters.total("records_read"), ended=False):
            raise RejectedError(
                f"stopped: {describe(rejects[0])};"
                f" {self._plan.reject_limit} rejects are allowed (--max-rejects)"
            )

    def _count(self, block: Block, counter: str, count: int) -> None:
        self._counters.add(self._worker, counter, count)
        self._ledger.count(block, counter, count)

    def _note_present(self, block: Block, batch: Batch, indices: Sequence[int]) -> None:
        bits = bytearray(self.present.get(block.number, b""))
        for index in indices:
            number = record_number(batch, index)
            assert number is not None
            assert block.first_record is not None
            byte, bit = divmod(number - block.first_record, 8)
            bits.extend(bytes(max(0, byte + 1 - len(bits))))
            bits[byte] |= 1 << bit
        self.present[block.number] = bytes(bits)


def describe(reject: Reject) -> str:
    """Return where a reject stands and why it was refused."""
    record = "a record" if reject.record is None else f"record {reject.record:,}"
    where = "" if reject.offset is None else f" (byte {reject.offset:,})"
    return f"{record} of {reject.file}{where} was refused: {reject.reason}"
