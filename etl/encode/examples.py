"""The commands that a load is going to send, shown by one example record.

The encoders themselves encode it, so what a server is asked about before the load is what it gets in it.
(But for the RESTORE of a full bucket, of which one record makes none: ``restore_probe`` tries that.)
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from etl.encode.resp.protocol import commands_in
from etl.plan import Batch, Encoder
from etl.template import ALL, JSON, LINE, NUMBER

CommandArgs = tuple[bytes, ...]
"""One command: its name and its arguments."""

EXAMPLE = b"1000000007"
"""What the example holds in every field: text, a number and JSON in one, so that any command takes it.

A key with this in it is of no record; one without it (of literals and ``{#}``) is the first record's own.
"""

_MEMBERS = 6  # comes out even for commands that take their arguments one by one, in pairs or by threes

_BINARY = pa.binary()


def examples(encoders: Iterable[Encoder]) -> tuple[CommandArgs, ...]:
    """Return the commands that these encoders make of the example record, each once."""
    found: dict[CommandArgs, None] = {}
    for encoder in encoders:
        batch, _ = encoder.split_encodable(_record(encoder))
        if len(batch):
            wire = encoder.encode(batch)
            found.update(dict.fromkeys(commands_in(b"".join(wire.buffers))))
    return tuple(found)


def _record(encoder: Encoder) -> Batch:
    """Make a batch of one record that has every field which the encoder's templates name."""
    names = {name for template in encoder.templates for name in template.fields}
    lists = {name for template in encoder.templates for name in template.lists}
    plain = sorted(names - {ALL, NUMBER, LINE, JSON}) or ["field"]
    columns = {name: pa.array([EXAMPLE], _BINARY) for name in plain}
    columns |= {f"{name}[]": pa.array([[EXAMPLE] * _MEMBERS], pa.list_(_BINARY)) for name in lists}
    return Batch(
        fields=pa.RecordBatch.from_pydict(columns),
        spread=(plain[0],),
        numbers=pa.array([0], pa.int64()),
        line=pa.array([EXAMPLE], _BINARY),
        json=pa.array([EXAMPLE], _BINARY),
    )


_EXPIRING = frozenset(
    (b"EXPIRE", b"EXPIREAT", b"PEXPIRE", b"PEXPIREAT", b"SETEX", b"PSETEX", b"GETEX", b"MSETEX")
)
_EXPIRY_WORDS = frozenset((b"EX", b"PX", b"EXAT", b"PXAT"))


def expires(command: CommandArgs) -> bool:
    """Return True if a command gives its key an expiry."""
    name, *arguments = command
    if name == b"SET":
        return not _EXPIRY_WORDS.isdisjoint(word.upper() for word in arguments[2:])
    if name == b"RESTORE":
        return len(arguments) > 1 and arguments[1] != b"0"
    return name in _EXPIRING
