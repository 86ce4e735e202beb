"""The contract of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from etl.plan.batch import Batch
from etl.plan.verdict import BatchResult, Refusal
from etl.plan.wire import Wire
from etl.template import Template


class Encoder(Protocol):
    """Turns batches into wire bytes, and replies into results. Pure, picklable: no I/O, no clock."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """The templates whose fields have to be read."""

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Return the records that can be encoded, and refusals of the others that say what they lack."""

    def keys(self, batch: Batch) -> pa.Array:
        """Return the key (``binary``) by which a cluster finds the node for each record's commands."""

    def encode(self, batch: Batch) -> Wire:
        """Return the commands of a batch that can be encoded, and the reply they have if all is well."""

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Return what became of each record of the batch.

        ``replies`` has one element a command (an exception for an error reply), or is None when the
        server answered exactly ``wire.expected``.
        """
