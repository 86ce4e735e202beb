"""Compressed bytes made by the reference libraries, and byte streams that give them piece by piece."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pyarrow as pa

SUFFIX = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst", "lz4": ".lz4"}
CODECS = tuple(SUFFIX)


def compress(codec: str, data: bytes) -> bytes:
    """Compress into one member."""
    if codec == "gzip":
        return gzip.compress(data, mtime=0)
    if codec == "bz2":
        return bz2.compress(data)
    if codec == "xz":
        return lzma.compress(data, preset=0)  # the others set up much memory
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


class Bytes:
    """A ByteStream over bytes that gives at most ``most`` of them a read, and remembers its largest read."""

    def __init__(self, data: bytes, most: int = 1 << 30) -> None:
        self._data = data
        self._most = most
        self.consumed = 0
        self.closed = False

    def read(self, nbytes: int) -> bytes:
        assert nbytes > 0
        piece = self._data[self.consumed : self.consumed + min(nbytes, self._most)]
        self.consumed += len(piece)
        return piece

    def close(self) -> None:
        self.closed = True
