"""A stream that has to be read more than once: its blocks are in a file first, and read from there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from etl.errors import SourceError
from etl.plan import Batch, Block, Projection, Reject, Source
from etl.plan.source import Reader
from etl.source.of_another import OfAnotherSource


@dataclass(frozen=True, slots=True)
class SpooledSource(OfAnotherSource):
    """A Source (``etl/plan/source.py``): the stream ``source``, whose blocks are in the file ``path``.

    The file is written by ``blocks``, which reads the stream to its end, and is whoever's who names it.
    """

    source: Source
    path: str

    streamed = False

    @property
    def nbytes(self) -> int | None:
        return self.source.nbytes

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        try:
            with open(self.path, "wb", opener=_private) as spool:
                for block in self.source.blocks(block_bytes):
                    payload = block.payload or b""
                    yield replace(block, payload=None, spooled=(spool.tell(), len(payload)))
                    spool.write(payload)
        except OSError as error:
            raise self._failure(error) from None

    def open(self, projection: Projection) -> Reader:
        return _SpoolReader(self, self.source.open(projection))

    def whole(self, block: Block) -> Block:
        """Return a block with its payload. Raises SourceError."""
        assert block.spooled is not None
        offset, nbytes = block.spooled
        try:
            with open(self.path, "rb", buffering=0) as spool:
                payload = os.pread(spool.fileno(), nbytes, offset)
        except OSError as error:
            raise self._failure(error) from None
        return replace(block, payload=payload)

    def _failure(self, error: OSError) -> SourceError:
        return SourceError(f"the copy of the stream in {self.path} cannot be used: {error.strerror}")


@dataclass(frozen=True, slots=True)
class _SpoolReader:
    """A Reader (``etl/plan/source.py``)."""

    source: SpooledSource
    reader: Reader

    def read(self, block: Block) -> Iterator[Batch]:
        return self.reader.read(self.source.whole(block))

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        return self.reader.originals(self.source.whole(block), records)

    def close(self) -> None:
        self.reader.close()


@contextlib.contextmanager
def spooled(source: Source, path: str) -> Iterator[Source]:
    """Yield a source that can be read more than once: a stream by way of a file, which is removed then."""
    if not source.streamed:
        yield source
        return
    try:
        yield SpooledSource(source, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
