"""A worker's way into RDB files: what is submitted has been written when it returns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.encode.resp.slots import ranges_of
from etl.plan import NodeIdentity, Response, Wire
from etl.plan.error_reply import ErrorReply
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.writer import RangeWriter


class FileSession:
    """A RenewableSession (``etl/plan/target.py``) with one file.

    A wire without records is a checkpoint: its buffers are a name and a value for the journal. It comes when
    all that this worker has submitted belongs to completed blocks.
    """

    def __init__(self, paths: Paths, *, expire: bool) -> None:
        self._writer = RangeWriter(paths, expire=expire)

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        return _written(self._writer, wire, token, 0)

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        """Do nothing: files stay open."""

    def close(self) -> None:
        self._writer.close()


class ShardedSession:
    """A RoutedSession (``etl/plan/target.py``) with a file for each shard; its nodes are the files' names.

    ``shard_of`` (uint16) is the shard of each slot.
    """

    def __init__(self, paths: Paths, shard_of: pa.Array, *, expire: bool) -> None:
        self._writer = RangeWriter(paths, expire=expire)
        self._names = [os.path.basename(file) for file in paths.files]
        self._shard_of = shard_of

    def parts(self, slots: pa.Array) -> Sequence[tuple[str, pa.Array]]:
        shards = self._shard_of.take(slots)
        present = sorted(pc.unique(shards).to_pylist())
        return [(self._names[shard], pc.indices_nonzero(pc.equal(shards, shard))) for shard in present]

    def slots(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        of_all = self._shard_of.to_pylist()
        return {
            name: ranges_of(slot for slot, shard in enumerate(of_all) if shard == number)
            for number, name in enumerate(self._names)
        }

    def owner(self, slot: int) -> str:
        shard: int = self._shard_of[slot].as_py()
        return self._names[shard]

    def unsettled(self) -> int:
        return 0

    def identity(self, node: str) -> NodeIdentity:
        return NodeIdentity(name=node.encode("utf-8", "surrogateescape"))

    def submit(self, wire: Wire, token: Any, node: str) -> Iterator[Response]:
        return _written(self._writer, wire, token, self._names.index(node) if node else 0)

    def drain(self) -> Iterator[Response]:
        return iter(())

    def renew(self) -> None:
        """Do nothing: files stay open, and slots stay where they are."""

    def redirected(self, reply: ErrorReply, node: str) -> None:
        return None

    def close(self) -> None:
        self._writer.close()


def _written(writer: RangeWriter, wire: Wire, token: Any, file: int) -> Iterator[Response]:
    if wire.records:
        writer.write(wire, file)
    else:
        writer.note(wire)
    return iter((Response(token, wire, None),))
