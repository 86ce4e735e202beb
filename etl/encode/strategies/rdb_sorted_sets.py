"""Which records are whole sorted sets: members of an array field with their scores, or one member."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.mapping import Expiry
from etl.encode.rdb.runs import runs_of
from etl.encode.rdb.scores import parse_scores
from etl.encode.rdb.zset_values import score_texts
from etl.encode.resp.columns import Columns, key_column, survivors
from etl.encode.resp.command import command
from etl.encode.resp.spread import split_spread, spread_counts
from etl.plan import Batch, Refusal
from etl.template import Template

NO_SCORE = "ERR value is not a valid float"
"""What a server says of it."""


@dataclass(frozen=True, slots=True)
class SortedSetRecords:
    """What ``RdbEntriesEncoder`` asks of a load, for sorted sets: a server itself would refuse some."""

    key: Template
    value: Template
    score: Template
    expiry: Expiry | None

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key, self.score, self.value, *(self.expiry.words if self.expiry else ()))

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Part as ZADD does; also refused are scores that are no numbers, and not one for each member."""
        commands = [command("ZADD", self.key, self.score, self.value)]
        integers: tuple[Template, ...] = ()
        if self.expiry:
            commands.append(self.expiry.command(self.key))
            integers = (self.expiry.value,)
        good, refusals = split_spread(commands, batch, integers)
        wrong = self._uneven(good) or self._no_scores(good)
        while wrong:
            kept = survivors(len(batch), {refusal.index for refusal in refusals})
            refusals += [Refusal(kept[index], reason) for index, reason in wrong.items()]
            good = good.take(pa.array(survivors(len(good), wrong), pa.int64()))
            wrong = self._no_scores(good)
        return good, sorted(refusals, key=lambda refusal: refusal.index)

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def _uneven(self, batch: Batch) -> dict[int, str]:
        """Find the records that have not as many scores as members."""
        if not self.score.lists:
            return {}
        columns = Columns(batch)
        scores = spread_counts(self.score, columns)
        one = pa.repeat(pa.scalar(1, pa.int32()), columns.records)
        members = spread_counts(self.value, columns) if self.value.lists else one
        return {
            index: f"it has {members[index]} members and {scores[index]} scores"
            for index in pc.indices_nonzero(pc.not_equal(members, scores)).to_pylist()
        }

    def _no_scores(self, batch: Batch) -> dict[int, str]:
        if not len(batch):
            return {}
        columns = Columns(batch)
        members = runs_of(self.value, columns)
        bad = parse_scores(score_texts(self.score, members, columns)).is_null()
        if not bad.true_count:
            return {}
        fine = members.without(bad)
        return dict.fromkeys(pc.indices_nonzero(pc.invert(fine)).to_pylist(), NO_SCORE)
