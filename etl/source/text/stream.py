"""Text that comes as streams, one after the other: compressed and remote files, standard input.

NOTE(offsets): ``start`` and ``stop`` of a block count the input's own bytes, compressed ones where it is
compressed, so that they add up to the input's size: they say how far the input had been read when the block
was cut, which is a little ahead of its records, and two blocks may lie in the same of them. ``offset`` is the
block's first byte in the file's text, which is what a reject names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etl.plan import Batch, Block, Projection, Reject
from etl.source.storage.compression import ByteStream, read_head
from etl.source.storage.input import Input, joint_fingerprint
from etl.source.storage.kinds import require_text
from etl.source.text import long_records
from etl.source.text.files import Place, all_fields, endless_beginning
from etl.source.text.format import TextFormat, scan_at
from etl.source.text.lines import Lines
from etl.source.text.long_records import end_of_long, long_record
from etl.source.text.wide import parse_in_parts
from etl.units import DEFAULT_RECORD_BYTES, KIB

_HEAD_BYTES = 64 * KIB


@dataclass(frozen=True, slots=True)
class TextStream:
    """Inputs one after the other, each with its own format (headers read); see ``open_text_stream``."""

    inputs: tuple[Input, ...]
    formats: tuple[TextFormat, ...]
    begins: tuple[int, ...]
    max_record: int = DEFAULT_RECORD_BYTES

    streamed = True

    @property
    def fields(self) -> tuple[str, ...] | None:
        return all_fields(self.formats)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(input.identity for input in self.inputs)

    @property
    def fingerprint(self) -> str | None:
        return joint_fingerprint(self.inputs)

    @property
    def nbytes(self) -> int | None:
        total = 0
        for input in self.inputs:
            if input.nbytes is None:
                return None
            total += input.nbytes
        return total

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        number = 0
        first_record = 0
        for index, input in enumerate(self.inputs):
            stream = input.open()
            try:
                start = 0
                for piece in self._cut(stream, index, block_bytes):
                    yield Block(
                        number,
                        index,
                        start,
                        stream.consumed,
                        first_record,
                        payload=piece.data,
                        offset=piece.offset,
                        long_bytes=piece.long_bytes,
                    )
                    start = stream.consumed
                    number += 1
                    first_record += piece.records
            finally:
                stream.close()

    def _cut(self, stream: ByteStream, index: int, block_bytes: int) -> Iterator[_Piece]:
        format, name = self.formats[index], self.inputs[index].name
        offset = len(read_head(stream, self.begins[index]))
        ahead = _Ahead(stream, block_bytes)
        carry = b""
        wanted = block_bytes
        while not ahead.ended or carry:
            data = b"".join((carry, *ahead.take(wanted)))
            length, records = scan_at(format, data, final=ahead.ended, file=name, start=offset)
            if length:
                yield _Piece(data[:length], offset, records)
                offset += length
                carry = data[length:]
                wanted = block_bytes
                continue
            assert not ahead.ended, "the format leaves bytes over at the end"
            if len(data) >= self.max_record:
                length, carry = end_of_long(
                    format,
                    data,
                    lambda: b"".join(ahead.take(1)),
                    file=name,
                    start=offset,
                    max_record=self.max_record,
                )
                yield _Piece(data[: long_records.KEPT_BYTES], offset, 1, long_bytes=length)
                offset += length
                wanted = block_bytes
                continue
            # Doubled, so that a long record is scanned about twice, not once a block.
            carry = data
            wanted = min(len(data), self.max_record - len(data))

    def open(self, projection: Projection) -> TextStreamReader:
        return TextStreamReader(self, projection)

    def verify_unchanged(self) -> None:
        for input in self.inputs:
            input.verify_unchanged()

    def name_of(self, block: Block) -> str:
        return self.inputs[block.file].name


@dataclass(frozen=True, slots=True)
class _Piece:
    data: bytes
    offset: int
    records: int
    long_bytes: int | None = None


class _Ahead:
    """Reads a stream one piece ahead, so that it knows whether anything follows what it gives."""

    def __init__(self, stream: ByteStream, piece_bytes: int) -> None:
        self._stream = stream
        self._piece_bytes = piece_bytes
        self._next = read_head(stream, piece_bytes)

    @property
    def ended(self) -> bool:
        return not self._next

    def take(self, nbytes: int) -> list[bytes]:
        """Return the next pieces, ``nbytes`` or up to one piece more, fewer only at the end."""
        pieces: list[bytes] = []
        while nbytes > 0 and self._next:
            pieces.append(self._next)
            nbytes -= len(self._next)
            self._next = read_head(self._stream, self._piece_bytes)
        return pieces


def open_text_stream(
    inputs: Iterable[Input],
    format: TextFormat,
    *,
    sniff: bool = False,
    max_record: int = DEFAULT_RECORD_BYTES,
) -> TextStream:
    """Look at each input's beginning and make the source. Raises SourceError; ``sniff``: ``find_text``."""
    inputs = tuple(inputs)
    begun = [_begin(input, format, max_record, sniff=sniff) for input in inputs]
    formats, begins = tuple(format for format, _ in begun), tuple(start for _, start in begun)
    return TextStream(inputs, formats, begins, max_record)


def _begin(input: Input, format: TextFormat, max_record: int, *, sniff: bool) -> tuple[TextFormat, int]:
    stream = input.open()
    head = b""
    try:
        wanted = _HEAD_BYTES
        while True:
            more = read_head(stream, wanted)
            if sniff and not head:
                require_text(more, input.name, lines=isinstance(format, Lines))
            head += more
            begun = format.begin(head, final=len(more) < wanted, file=input.name)
            if begun is not None:
                return begun
            if len(head) > max_record:
                raise endless_beginning(input.name, len(head))
            wanted = len(head)
    finally:
        input.release(stream, head)


class TextStreamReader:
    """Reads the blocks that it is given; opens nothing."""

    def __init__(self, source: TextStream, projection: Projection) -> None:
        self._source = source
        self._projection = projection

    def read(self, block: Block) -> Iterator[Batch]:
        data, place, max_record = _payload(block), self._place(block), self._source.max_record
        if block.long_bytes is not None:
            found = Reject(place.file, place.first_record, place.offset, "", data)
            yield long_record(found, nbytes=block.long_bytes, max_record=max_record)
            return
        yield from parse_in_parts(self._format(block), data, self._projection, place, max_record=max_record)

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        indices = [record - (block.first_record or 0) for record in records]
        return self._format(block).originals(_payload(block), indices, self._place(block))

    def close(self) -> None:
        """Nothing is open."""

    def _format(self, block: Block) -> TextFormat:
        return self._source.formats[block.file]

    def _place(self, block: Block) -> Place:
        assert block.offset is not None
        return Place(self._source.inputs[block.file].name, block.offset, block.first_record)


def _payload(block: Block) -> bytes:
    assert block.payload is not None, "a stream's block has come without its payload"
    return block.payload
