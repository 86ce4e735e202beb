"""The contract of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from etl.plan.batch import Batch
from etl.plan.verdict import BatchResult, Refusal
from etl.plan.wire import Wire
from etl.template import Template


class Encoder(Protocol):
    """Turns batches into wire bytes, and replies into verdicts. Pure, picklable: no I/O, no clock."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """The templates whose fields have to be read."""

    def split_encodable(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Part the records that can be encoded from the others, whose refusals say what they lack."""

    def encode(self, batch: Batch) -> Wire:
        """Make the commands of a batch that ``part`` has let pass, and the reply they have if all is well."""

    def read_replies(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> BatchResult:
        """Say what became of each record of the batch.

        ``replies`` has one element a command (an exception for an error reply), or is None when the
        server answered exactly ``wire.expected``.
        """
