"""An iterable of dicts as a source: JSON lines made in the parent, which workers read as format ``jsonl``.

So a dict becomes what the same record in a ``.jsonl`` file becomes. What JSON does not have is written as a
token and listed before the lines: bytes (raw in Redis; base64 in JSON text), Decimal (its digits; a number in
JSON text) and floats that are not finite (``nan``, ``inf``; ``null`` in JSON text). Dates and times are ISO
8601 text as in ``value/text.py``, numpy's scalars and arrays what they hold, UUIDs and paths their text. An
element that is no dict, or holds anything else, is a reject with its ``repr``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_hex
from typing import Any

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject
from etl.source.json.lines import Jsonl
from etl.source.objects.tokens import Tokens
from etl.source.objects.values import Writer, Written
from etl.source.text.files import Place
from etl.source.text.wide import parse_in_parts
from etl.units import DEFAULT_RECORD_BYTES

_FIRST_RECORDS = 64
_MOST_RECORDS = 1 << 16


@dataclass(frozen=True, slots=True)
class RecordStream:
    """Python records, in order. A copy that travels to a worker has no ``records``: see TableStream."""

    name: str
    records: Records | None = field(default=None, repr=False, compare=False)
    max_record: int = DEFAULT_RECORD_BYTES

    streamed = True
    fields = None
    fingerprint = None
    nbytes = None

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordStream, (self.name,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        assert self.records is not None, "a stream is cut where it was opened"
        elements = self.records.begin()
        count = _FIRST_RECORDS
        number = first_record = start = 0
        while some := list(islice(elements, count)):
            payload = _payload(some, self.max_record)
            stop = start + len(payload)
            yield Block(number, 0, start, stop, first_record, payload=payload, offset=0)
            number += 1
            first_record += len(some)
            start = stop
            count = min(max(block_bytes * len(some) // len(payload), 1), 4 * count, _MOST_RECORDS)

    def open(self, projection: Projection) -> RecordStreamReader:
        return RecordStreamReader(self, projection)

    def verify_unchanged(self) -> None:
        """Whether an object was changed is unknown."""

    def name_of(self, block: Block) -> str:
        return f"the {self.name}"


def open_records(records: Iterable[Any], name: str) -> RecordStream:
    """Make a source of an iterable of dicts."""
    return RecordStream(name, Records(records, name))


class Records:
    """An iterable, and whether it has been used up."""

    def __init__(self, records: Iterable[Any], name: str) -> None:
        self._records = records
        self._name = name
        self._begun = False

    def begin(self) -> Iterator[Any]:
        """Return the elements from the first on. Raises SourceError where they are gone."""
        elements = iter(self._records)
        if self._begun and elements is self._records:
            raise SourceError(f"the {self._name} gives its records once, and has given them: make a new one")
        self._begun = True
        return elements


def _payload(elements: list[Any], max_record: int) -> bytes:
    """Write elements as a line that lists what stands for the tokens, and a line of JSON each."""
    writer = Writer(f"etl-{token_hex(8)}-", max_record)
    lines = writer.lines(elements)
    listed = [[b64encode(written.text).decode(), written.json, written.reason] for written in writer.listed]
    return json.dumps([writer.prefix, listed]).encode() + b"\n" + lines


class RecordStreamReader:
    """Reads the blocks that it is given; opens nothing."""

    def __init__(self, source: RecordStream, projection: Projection) -> None:
        self._source = source
        self._projection = projection

    def read(self, block: Block) -> Iterator[Batch]:
        tokens, lines = _unpacked(block)
        for batch in parse_in_parts(Jsonl(), lines, self._projection, self._place(block)):
            yield tokens.restore(batch)

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        tokens, lines = _unpacked(block)
        indices = [record - (block.first_record or 0) for record in records]
        rejects = Jsonl().originals(lines, indices, self._place(block))
        return [tokens.restore_reject(reject) for reject in rejects]

    def close(self) -> None:
        """Nothing is open."""

    def _place(self, block: Block) -> Place:
        return Place(self._source.name_of(block), 0, block.first_record)


def _unpacked(block: Block) -> tuple[Tokens, bytes]:
    assert block.payload is not None, "a stream's block has come without its payload"
    head, _, lines = block.payload.partition(b"\n")
    prefix, listed = json.loads(head)
    return Tokens(prefix, [_written(*entry) for entry in listed]), lines


def _written(encoded: str, text_in_json: str | None, reason: str | None) -> Written:
    in_json = f'"{encoded}"' if text_in_json is None else text_in_json
    return Written(b64decode(encoded), in_json, reason)
