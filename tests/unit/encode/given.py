"""What the tests of encoders share: batches made by hand, wires read back, loads and checks carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from etl.encode.choose import type_named
from etl.encode.commands import COMMANDS
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.resp.command import Command, parse_command
from etl.plan import Batch, BatchResult, Encoder, Wire
from etl.template import Template, parse_template
from tests.unit.encode.model import Model
from tests.unit.given import parse_commands, replies_in, stream_of

Values = Sequence[Any]


def template(text: str) -> Template:
    return parse_template(text, option="--key", argument=True)


def batch_of(
    fields: Mapping[str, Values] | None = None,
    *,
    first: int | None = 0,
    spread: Sequence[str] | None = None,
    line: Sequence[bytes] | None = None,
    json: Sequence[bytes | None] | None = None,
    rows: int = -1,
) -> Batch:
    """Make a batch of columns: those named ``x[]`` are lists. ``spread`` is all of the others by default."""
    fields = fields or {}
    names = list(fields)
    arrays = [pa.array(values, _type(name)) for name, values in fields.items()]
    if not names and rows < 0:
        rows = len(line or json or ())
    length = len(arrays[0]) if arrays else rows
    return Batch(
        fields=pa.RecordBatch.from_arrays(arrays, names),
        spread=tuple(name for name in names if not name.endswith("[]")) if spread is None else tuple(spread),
        numbers=None if first is None else pa.array(range(first, first + length), pa.int64()),
        line=None if line is None else pa.array(line, pa.binary()),
        json=None if json is None else pa.array(json, pa.binary()),
        rows=-1 if names else rows,
    )


def lines_batch(lines: Sequence[bytes], first: int | None = 0) -> Batch:
    """Make a batch as lines are read: no fields, each record its line."""
    return batch_of(line=lines, first=first)


def _type(name: str) -> pa.DataType:
    return pa.list_(pa.binary()) if name.endswith("[]") else pa.binary()


def mapping_of(
    kind: str = "string",
    *commands: str | Command,
    key: str = "k:{id}",
    value: str = "{v}",
    score: str = "{score}",
    expiry: Expiry | None = None,
    if_exists: str = "replace",
) -> RecordMapping:
    return RecordMapping(
        kind=kind,
        type=COMMANDS if commands else type_named(kind),
        key=template(key),
        value=template(value),
        score=template(score),
        expiry=expiry,
        if_exists=if_exists,
        commands=tuple(parse_command(one) if isinstance(one, str) else one for one in commands),
    )


def commands_shape(*commands: str) -> RecordMapping:
    return mapping_of("string", *commands, if_exists="merge")


def commands_in(wire: Wire) -> list[list[bytes]]:
    """Parse the commands of a wire, strictly, and compare what it says of itself."""
    stream = stream_of(wire)
    assert wire.nbytes == len(stream)
    commands = parse_commands(stream)
    assert wire.commands == len(commands)
    return commands


def expected_in(wire: Wire) -> list[Any]:
    """Parse the replies that a wire expects: one a command."""
    assert wire.expected is not None
    replies = replies_in(bytes(wire.expected))
    assert len(replies) == wire.commands
    return replies


def send(encoder: Encoder, batch: Batch, model: Model) -> BatchResult:
    """Do what a worker and its session do with one batch that can be encoded whole."""
    wire = encoder.encode(batch)
    stream = b"".join(model.answer(command) for command in commands_in(wire))
    if wire.expected is not None and stream == bytes(wire.expected):
        return encoder.read_replies(batch, wire, None)
    return encoder.read_replies(batch, wire, replies_in(stream))


def load(mapping: RecordMapping, batch: Batch, model: Model) -> None:
    """Load a batch; records that were refused together are sent again one by one."""
    encoder = mapping.encoder()
    good, _ = encoder.split_encodable(batch)
    if not len(good):
        return
    result = send(encoder, good, model)
    if result.again:
        again = good.take(pa.array(result.again, pa.int64()))
        result = send(mapping.single(), again, model)
    assert not result.refusals, result.refusals
