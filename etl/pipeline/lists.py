"""The second half of a verify of lists: all of them are read, and compared with what the source has.

See NOTE(lists) in ``etl/plan/gathered.py``. All workers together read the lists; then, only where they
differ from the source, for each slice of the differing elements the lists and the source once more.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from etl.encode.verify.checker import Checker
from etl.encode.verify.excerpt import excerpts
from etl.encode.verify.list import WindowEncoder
from etl.encode.verify.windows import Windows
from etl.errors import SourceError
from etl.pipeline.execution import Run
from etl.plan import Encoder, Gathered, Plan, compact, differing, slices
from etl.report import Example
from etl.units import MIB
from etl.worker import MAX_EXAMPLES
from etl.worker.messages import Finished, ShardResult

MAX_ELEMENTS = 4096
REPLY_BYTES = 4 * MIB
"""A window is likely to have fewer bytes, if elements are about as long as the source's records."""


@dataclass(frozen=True, slots=True)
class ListsRun:
    """A verify whose records are elements of lists. ``exact``: a list must not have them more often."""

    run: Run
    checker: Checker
    exact: bool

    def compare(self, results: Sequence[ShardResult]) -> list[ShardResult]:
        """Compare the lists, once ``results`` are of the whole source; return them with what was found.

        Counts the records that are missing or different. Raises EtlError.
        """
        source = _together(results)
        read = self.run.counters.total("records_read")
        record_bytes = (self.run.plan.source.nbytes or 0) // max(read, 1)
        elements = max(16, min(MAX_ELEMENTS, REPLY_BYTES // max(record_bytes, 1)))
        lists = Windows(tuple(sorted(source.lengths.items())), elements)
        there = self._read(lists, None)
        examples: list[Example] = []
        for wanted in slices(differing(compact(source.sums), compact(there.sums))):
            found = list(self._differences(source, lists, wanted))
            self._count(found)
            if found and self.run.plan.differences is not None:
                self.run.plan.differences.write(found)
            examples += found[: MAX_EXAMPLES - len(examples)]
        return _with_examples(results, examples)

    def _differences(self, source: Gathered, lists: Windows, wanted: frozenset[int]) -> Iterator[Example]:
        found_in_lists = Counter(self._read(lists, wanted).items.column("digest").to_pylist())
        items = self._read_source(wanted, source).items
        by_digest: dict[int, list[int]] = defaultdict(list)
        for place, digest in enumerate(items.column("digest").to_pylist()):
            by_digest[digest].append(place)
        numbers = items.column("record").to_pylist()
        found: dict[int, tuple[int, bytes | None]] = {}
        for digest, places in by_digest.items():
            count = found_in_lists[digest]
            amiss = len(places) - count if count < len(places) or self.exact else 0
            if amiss:
                places.sort(key=numbers.__getitem__)
                more = b"%d times instead of %d" % (count, len(places)) if amiss < 0 else None
                for place in places[-abs(amiss) :]:
                    found.setdefault(numbers[place], (place, more))
        keys, elements = items.column("key"), items.column("element")
        for number, (place, more) in sorted(found.items()):
            yield Example(number, keys[place].as_py(), elements[place].as_py(), more)

    def _read(self, lists: Windows, wanted: frozenset[int] | None) -> Gathered:
        encoder = WindowEncoder(self.checker.seed, wanted)
        plan = replace(self.run.plan, source=lists, blocks=tuple(lists.blocks(0)), split="block")
        return self._pass(plan, encoder)

    def _read_source(self, wanted: frozenset[int], first: Gathered) -> Gathered:
        """Read the source once more. Raises SourceError where it is not the same again."""
        again = self._pass(self.run.plan, replace(self.checker, wanted=wanted))
        if compact(again.sums) != compact(first.sums):
            name = ", ".join(self.run.plan.source.names[:1])
            raise SourceError(
                f"the lists differ from {name}, and to find the records takes a second reading, in which it"
                " did not give the same: verify from a file that does not change"
            )
        return again

    def _pass(self, plan: Plan, encoder: Encoder) -> Gathered:
        counters = self.run.runner.counters(plan.workers)
        rate = None if plan.rate is None else replace(plan.rate, since=time.monotonic())
        plan = replace(
            plan,
            encoder=encoder,
            single=encoder,
            differences=None,
            rate=rate,
            progress="none",
            preliminary=True,
        )
        run = replace(self.run, plan=plan, counters=counters, eviction_error=lambda: None)
        results = run.results()
        error = run.first_error(results)
        if error is not None:
            raise error
        return _together(results)

    def _count(self, found: Sequence[Example]) -> None:
        """Take records out of those that were counted as equal."""
        counters = self.run.counters
        for counter, count in (
            ("records_missing", sum(example.found is None for example in found)),
            ("records_different", sum(example.found is not None for example in found)),
        ):
            for worker in range(counters.workers):
                moved = min(count, counters.of(worker, "records_equal"))
                counters.add(worker, "records_equal", -moved)
                counters.add(worker, counter, moved)
                count -= moved


def _together(results: Sequence[ShardResult]) -> Gathered:
    gathered = Gathered()
    for result in results:
        if isinstance(result, Finished) and result.gathered is not None:
            gathered = gathered.and_also(result.gathered)
    return gathered


def _with_examples(results: Sequence[ShardResult], examples: Sequence[Example]) -> list[ShardResult]:
    shown = []
    for example in examples:
        expected, found = excerpts(example.expected, example.found)
        shown.append(replace(example, expected=expected, found=found))
    with_examples = list(results)
    for place, result in enumerate(results):
        if isinstance(result, Finished):
            with_examples[place] = replace(result, examples=(*result.examples, *shown))
            break
    return with_examples
