"""Sorted sets as an RDB file holds them, vectorised; a record has all members of its key, with their scores.

- RDB_TYPE_ZSET_LISTPACK (from version 10 on), RDB_TYPE_ZSET_ZIPLIST (version 9): members and scores by turns,
  by ascending score, those of one score by their bytes.
- RDB_TYPE_ZSET_2: members as strings, each with its score, a double, after it. For large ones. The highest
  score comes first, as Redis writes them: a server then puts each new one in front.

A member is in a sorted set once: of one that a record has twice the last score holds, as after ZADD.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.rdb.compact import compact_runs, listpack_pieces, string_runs, ziplist_pieces
from etl.encode.rdb.entries import Values, boxed, values_of
from etl.encode.rdb.hashes import MAX_LISTPACK_BYTES
from etl.encode.rdb.listpack import MAX_STRING_BYTES
from etl.encode.rdb.runs import Pieces, Runs, by_encoding, runs_of
from etl.encode.rdb.scores import parse_scores
from etl.encode.rdb.set_values import distinct
from etl.encode.rdb.ziplist import MAX_NAME_BYTES
from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import BINARY, text_column
from etl.template import Template

ZSET = b"\x05"
ZSET_ZIPLIST = b"\x0c"
ZSET_LISTPACK = b"\x11"

MAX_MEMBERS = 128
"""Members of a listpack by Redis's own bound (``zset-max-listpack-entries``)."""

_MAX_SCORE_BYTES = 30


@dataclass(frozen=True, slots=True)
class SortedSetLayout:
    """A sorted set of what ``value`` makes, an array field's members or one, with what ``score`` makes."""

    value: Template
    score: Template
    version: int

    def values(self, columns: Columns) -> Values:
        texts = runs_of(self.value, columns)
        scores = parse_scores(score_texts(self.score, texts, columns))
        runs = distinct(Runs(texts.bounds, (texts.members, scores)), "last")
        make, longest = (_listpacks, MAX_STRING_BYTES) if self.version >= 10 else (_ziplists, MAX_NAME_BYTES)
        suited = compact_runs(
            runs, longest=longest, nbytes=MAX_LISTPACK_BYTES, members=MAX_MEMBERS, more=_MAX_SCORE_BYTES
        )
        return values_of(by_encoding(runs, [(suited, make)], _tables))


def score_texts(score: Template, members: Runs, columns: Columns) -> pa.Array:
    """Return the score of each member as text: of a score that is no array, that of its record."""
    if score.lists:
        return runs_of(score, columns).members
    texts = text_column(columns.pieces(score), columns.records)
    return texts if len(members.members) == len(members) else texts.take(members.owners)


def _listpacks(runs: Runs) -> Pieces:
    runs = _sorted(runs, "ascending")
    return boxed(ZSET_LISTPACK, listpack_pieces(runs, (runs.members, _text(runs))), len(runs)).pieces


def _ziplists(runs: Runs) -> Pieces:
    runs = _sorted(runs, "ascending")
    return boxed(ZSET_ZIPLIST, ziplist_pieces(runs, (runs.members, _text(runs))), len(runs)).pieces


def _tables(runs: Runs) -> Pieces:
    runs = _sorted(runs, "descending")
    # As in ``listpack``, numbers are laid out in machine words: NOTE(bytes) there.
    return string_runs(ZSET, runs, runs.columns[1].view(pa.binary(8)).cast(BINARY))


def _text(runs: Runs) -> pa.Array:
    """Return the scores as they stand in a listpack; -0 is 0 there, as where ZADD made it."""
    return pc.add(runs.columns[1], 0.0).cast(pa.string()).cast(BINARY)


def _sorted(runs: Runs, order: str) -> Runs:
    if len(runs.members) == len(runs):
        return runs
    members = pa.table({"run": runs.owners, "score": runs.columns[1], "member": runs.members})
    keys = [("run", "ascending"), ("score", order), ("member", order)]
    positions = pc.sort_indices(members, sort_keys=keys)
    return Runs(runs.bounds, tuple(column.take(positions) for column in runs.columns))
