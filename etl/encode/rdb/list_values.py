"""Lists as an RDB file holds them, vectorised; a record has all of its list's elements.

- RDB_TYPE_LIST_QUICKLIST_2 (from version 10 on): one node of the list, a listpack.
- RDB_TYPE_LIST_QUICKLIST (version 9): one node, a ziplist.
- RDB_TYPE_LIST: the elements as strings, which the server itself puts into nodes. For those with more than a
  node takes, or a long element.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.encode.rdb.compact import compact_runs, listpack_pieces, string_runs, ziplist_pieces
from etl.encode.rdb.entries import Values, boxed, values_of
from etl.encode.rdb.listpack import MAX_STRING_BYTES
from etl.encode.rdb.runs import Pieces, Runs, by_encoding, runs_of
from etl.encode.rdb.ziplist import MAX_NAME_BYTES
from etl.encode.resp.columns import Columns
from etl.template import Template

LIST = b"\x01"
LIST_ZIPLISTS = b"\x0e"
LIST_LISTPACKS = b"\x12"

_ONE_ZIPLIST = b"\x01"
_ONE_LISTPACK = b"\x01\x02"  # one node, packed

MAX_NODE_BYTES = 8 * 1024
"""Size of a node of a list by Redis's own bound (``list-max-listpack-size -2``)."""


@dataclass(frozen=True, slots=True)
class ListLayout:
    """A list of what ``value`` makes: of an array field's members, in their order, or of one element."""

    value: Template
    version: int

    def values(self, columns: Columns) -> Values:
        runs = runs_of(self.value, columns)
        make, longest = (_listpacks, MAX_STRING_BYTES) if self.version >= 10 else (_ziplists, MAX_NAME_BYTES)
        suited = compact_runs(runs, longest=longest, nbytes=MAX_NODE_BYTES)
        return values_of(by_encoding(runs, [(suited, make)], _strings))


def _listpacks(runs: Runs) -> Pieces:
    return boxed(
        LIST_LISTPACKS, listpack_pieces(runs, (runs.members,)), len(runs), before=_ONE_LISTPACK
    ).pieces


def _ziplists(runs: Runs) -> Pieces:
    return boxed(LIST_ZIPLISTS, ziplist_pieces(runs, (runs.members,)), len(runs), before=_ONE_ZIPLIST).pieces


def _strings(runs: Runs) -> Pieces:
    return string_runs(LIST, runs)
