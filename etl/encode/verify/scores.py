"""The check of sorted sets of which a record has all members, each with a score: ``ZSCORE``."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from etl.encode.rdb.runs import Runs, runs_of
from etl.encode.rdb.set_values import distinct
from etl.encode.rdb.zset_values import score_texts
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import text_column
from etl.encode.verify.item_columns import Items
from etl.encode.verify.items import ItemsCheck


@dataclass(frozen=True, slots=True)
class ScoresCheck(ItemsCheck):
    """Asks for the members that the second of the ``words`` makes, with scores that the first makes.

    Of a member that a record has twice the last score counts.
    """

    def uneven(self, columns: Columns) -> list[int]:
        return []  # the load has refused them

    def _items(self, columns: Columns) -> Items:
        score, value = self.words
        assert self.key is not None
        texts = runs_of(value, columns)
        runs = distinct(Runs(texts.bounds, (texts.members, score_texts(score, texts, columns))), "last")
        members, scores = runs.columns
        records = runs.owners.cast(pa.int64())
        key = columns.pieces(self.key)
        keys = key if self.key.constant else [text_column(key, columns.records).take(records)]
        return Items(len(members), keys, ([scores], [members]), records)
