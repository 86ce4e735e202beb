"""The way back: what Redis holds, compared with what the source has, for every type that can be asked.

The very bytes that a server answers when it holds what the source has are predicted wherever they are known
(NOTE(expected) in ``sink/session/pipelined.py``), so a check costs a comparison; only what differs is parsed.

| written by | asked with | compared |
|---|---|---|
| string, ``SET``, ``SETEX``, ``MSET`` | ``MGET`` | the value; a key of another type is missing |
| string, packed | ``HGETALL`` of whole buckets, ``HMGET`` | the record's field |
| hash, ``HSET``, ``HSETNX`` | ``HMGET`` (constant key: many records each) | the record's fields |
| hash that replaces | and ``HLEN`` | no other fields |
| json, ``JSON.SET``, ``JSON.MERGE`` | ``JSON.GET`` | as JSON (merge: what the record has) |
| set, ``SADD`` | ``SISMEMBER`` (constant key: ``SMISMEMBER``) | presence |
| zset, ``ZADD`` | ``ZSCORE`` (constant key: ``ZMSCORE``) | the score as a number; GT, LT: at least, at most |
| ``GEOADD`` | ``ZSCORE`` (constant key: ``ZMSCORE``) | the place, to the cell that Redis keeps of it |
| list, ``RPUSH``, ``LPUSH`` | ``LLEN``, then ``LRANGE`` of all | at least as often as in the source |
| list that replaces | the same | exactly as often |

``NX`` and ``XX`` change nothing: a record they kept from being written is missing or different. Expiries are
not compared, nor are keys and members that no record has. A record is missing when there is nothing in the
place of any of its items that are not as the source has them, and different when something else is there.
The order of a list is not compared: workers write in no particular one. Of records with equal elements the
last ones are missing, or different where the list has the element more often: NOTE(lists), ``gathered.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from etl.encode.resp.columns import Columns, split, survivors
from etl.encode.verify.check import Check, Mismatch
from etl.encode.verify.list import ListCheck
from etl.plan import Batch, BatchResult, Difference, Encoder, Gathered, Refusal, Wire
from etl.template import Template


@dataclass(frozen=True, slots=True)
class Checker:
    """Asks for each record what ``checks`` ask; parts records as ``load``, the encoder that wrote them.

    Of lists it gathers the elements, and those of the ``wanted`` buckets whole.
    """

    load: Encoder
    checks: tuple[Check, ...]
    seed: int = 0
    wanted: frozenset[int] | None = None

    @property
    def of_lists(self) -> bool:
        """True if records are elements of lists, which are compared when all of them were read."""
        return any(isinstance(check, ListCheck) for check in self.checks)

    @property
    def templates(self) -> tuple[Template, ...]:
        return self.load.templates

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Refuse what the load refused, and what the server cannot but have refused."""
        good, refusals = self.load.split_encodable(batch)
        columns = Columns(good)
        uneven = {index for check in self.checks for index in check.uneven(columns)}
        if not uneven:
            return good, refusals
        places = survivors(len(batch), {refusal.index for refusal in refusals})
        more = [Refusal(places[index], "its members do not come out even") for index in uneven]
        return split(batch, (), more=[*refusals, *more])

    def keys(self, batch: Batch) -> pa.Array:
        return self.load.keys(batch)

    def encode(self, batch: Batch) -> Wire:
        columns = Columns(batch)
        requests = [check.request(columns) for check in self.checks]
        buffers = tuple(buffer for request in requests for buffer in request.buffers)
        return Wire(
            buffers=buffers,
            boundaries=(0, columns.records),
            expected=_joined([request.expected for request in requests]),
            nbytes=sum(map(len, buffers)),
            commands_per_group=sum(request.commands for request in requests),
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Count the records that are equal, missing and different; one by one only where replies differ."""
        if replies is None:
            return BatchResult(equal=wire.records)
        columns = Columns(batch)
        mismatches: dict[int, Mismatch] = {}
        for check, answers in self._answers(columns, replies):
            for mismatch in check.compare(columns, iter(answers)):
                known = mismatches.get(mismatch.index)
                if known is None or mismatch.rank > known.rank:
                    mismatches[mismatch.index] = mismatch
        result = _verdict(wire.records, [mismatches[index] for index in sorted(mismatches)])
        gathered = self._gathered(columns, replies, mismatches) if self.of_lists else None
        return result if gathered is None else replace(result, gathered=gathered)

    def _answers(self, columns: Columns, replies: Sequence[Any]) -> Iterator[tuple[Check, Sequence[Any]]]:
        """Yield each check with the replies to what it has asked."""
        if len(self.checks) == 1:
            yield self.checks[0], replies
            return
        start = 0
        for check in self.checks:
            stop = start + check.request(columns).commands
            yield check, replies[start:stop]
            start = stop

    def _gathered(self, columns: Columns, replies: Sequence[Any], mismatches: Iterable[int]) -> Gathered:
        """Gather the elements of the records about which nothing was found."""
        gathered = Gathered()
        without = set(mismatches)
        for check, answers in self._answers(columns, replies):
            if isinstance(check, ListCheck):
                lengths = check.lengths(columns, iter(answers))
                more = check.gather(columns, lengths, without, self.seed, self.wanted)
                gathered = gathered.and_also(more)
        return gathered


def _joined(streams: Sequence[Sequence[bytes | memoryview] | None]) -> bytes | None:
    if any(stream is None for stream in streams):
        return None
    return b"".join(buffer for stream in streams for buffer in stream or ())


def _verdict(records: int, mismatches: Sequence[Mismatch]) -> BatchResult:
    refusals = tuple(Refusal(f.index, f.error) for f in mismatches if f.error is not None)
    differences = tuple(_difference(mismatch) for mismatch in mismatches if mismatch.error is None)
    missing = sum(difference.found is None for difference in differences)
    return BatchResult(
        equal=records - len(mismatches),
        missing=missing,
        different=len(differences) - missing,
        refusals=refusals,
        differences=differences,
    )


def _difference(mismatch: Mismatch) -> Difference:
    return Difference(mismatch.index, mismatch.key, mismatch.expected, mismatch.found)
