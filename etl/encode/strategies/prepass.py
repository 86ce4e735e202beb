"""Passes over the keys before a load: one deletes what is there, one looks whether something is there.

https://redis.io/docs/latest/commands/del/, https://redis.io/docs/latest/commands/exists/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.encode.resp.columns import key_column, split
from etl.encode.resp.command import command
from etl.encode.strategies.commands import CommandsEncoder
from etl.encode.strategies.merged import MembersEncoder
from etl.plan import NO_FIELDS, Batch, BatchResult, Refusal, Wire
from etl.template import Template


def _keyed(key: Template, batch: Batch) -> tuple[Batch, list[Refusal]]:
    """Pass over records without a key: the load itself refuses them and says why."""
    good, _ = split(batch, [key], keys=(key,))
    return good, []


@dataclass(frozen=True, slots=True)
class ClearEncoder:
    """``DEL key [key ...]``, or (``alone``) one command a record; counts nothing."""

    key: Template
    alone: bool = False

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key,)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return _keyed(self.key, batch)

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        delete = command("DEL", self.key)
        return (
            CommandsEncoder((delete,)).encode(batch) if self.alone else MembersEncoder(delete).encode(batch)
        )

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        return BatchResult(refusals=_failed(wire, replies or ()))

    def once(self) -> Wire | None:
        """Return the one command that does it where the key is the same for every record, else None."""
        return self.encode(Batch(NO_FIELDS, rows=1)) if self.key.constant else None


@dataclass(frozen=True, slots=True)
class ProbeEncoder:
    """``EXISTS key`` for each record; one whose key is there is skipped, or refused if ``refuse``."""

    key: Template
    refuse: bool

    @property
    def templates(self) -> tuple[Template, ...]:
        return (self.key,)

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        return _keyed(self.key, batch)

    def keys(self, batch: Batch) -> pa.Array:
        return key_column(self.key, batch)

    def encode(self, batch: Batch) -> Wire:
        wire = CommandsEncoder((command("EXISTS", self.key),)).encode(batch)
        return Wire(wire.buffers, wire.boundaries, b":0\r\n" * wire.groups, wire.nbytes)

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        failed = _failed(wire, replies or ())
        present = tuple(
            index for index, reply in enumerate(replies or ()) if reply and not isinstance(reply, Exception)
        )
        if self.refuse:
            refusals = tuple(Refusal(index, "its key exists") for index in present)
            return BatchResult(refusals=(*failed, *refusals), present=present)
        return BatchResult(skipped=len(present), refusals=failed, present=present)


def _failed(wire: Wire, replies: Sequence[Any]) -> tuple[Refusal, ...]:
    """Refuse every record of a command with an error reply: it is to be sent again, or ends the run."""
    return tuple(
        Refusal(index, reply)
        for group, reply in enumerate(replies)
        if isinstance(reply, Exception)
        for index in range(wire.boundaries[group], wire.boundaries[group + 1])
    )
