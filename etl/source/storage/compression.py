"""Compressed bytes as a stream of text: gzip, bzip2, xz, zstd and lz4 (its frames).

NOTE(members): all of these may be written one behind the other into one file (``cat a.gz b.gz``), which is
read whole. What stands behind the last of them must be one more: bytes that are none are an error, as is an
end in the middle, because a file that was cut short must not look like a smaller one.
"""

from __future__ import annotations

import bz2
import lzma
import os
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from etl.errors import SourceError
from etl.units import KIB, MIB

SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}

MAGIC_BYTES = 10
"""Bytes that ``sniff`` has to see."""

_MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bz2": b"BZh",  # then a digit and the magic of a block or of the end
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "lz4": b"\x04\x22\x4d\x18",
}
_BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_SKIPPABLE = b"\x2a\x4d\x18"  # behind one byte of 0x50 to 0x5f: pzstd begins its files with such a frame

_PIECE_BYTES = 128 * KIB
_XZ_MEMORY_BYTES = 256 * MIB  # xz -9 takes 65 MiB; a header may ask for 4 GiB


class ByteStream(Protocol):
    """Bytes that come one after the other. Not picklable; one thread at a time."""

    @property
    def consumed(self) -> int:
        """Bytes taken so far from the underlying input (where that is compressed: of its own bytes)."""

    def read(self, nbytes: int) -> bytes:
        """Read at most ``nbytes``, and at least one; nothing is the end. Raises SourceError."""

    def close(self) -> None:
        """Let go of it. May be called twice."""


def split_name(path: str) -> tuple[str, str | None]:
    """Split a name into that of the uncompressed file and the codec: ``x.csv.gz`` is ``x.csv``, ``gzip``.

    The codec is one of the values of SUFFIXES, or None.
    """
    stem, suffix = os.path.splitext(path)
    codec = SUFFIXES.get(suffix.lower())
    return (path, None) if codec is None else (stem, codec)


def sniff(head: bytes) -> str | None:
    """Return the codec told by a stream's first MAGIC_BYTES, or None: for streams without a telling name."""
    for codec, magic in _MAGIC.items():
        if head.startswith(magic) and (codec != "bz2" or head[4:10] in _BZ2_BLOCKS):
            return codec
    return None


def decompressed(raw: ByteStream, codec: str | None, name: str) -> ByteStream:
    """Return the text of a compressed stream, which is closed with it; ``codec`` None: the stream itself.

    A read decompresses what it gives and little more, so memory is bounded whatever the data claims. Raises
    SourceError, as the stream does, naming the file ``name``, for data that is no such thing, damaged, or
    cut short.
    """
    if codec is None:
        return raw
    raw = Rewound(raw, read_head(raw, MAGIC_BYTES))
    _require_magic(raw.head, codec, name)
    if codec == "bz2":
        return _Decompressed(raw, codec, name, _Members(raw, _begin_bz2, padding=b"").read)
    if codec == "xz":  # zeros between its members are padding (xz file format, 2.2)
        return _Decompressed(raw, codec, name, _Members(raw, _begin_xz, padding=b"\0").read)
    feed = pa.PythonFile(_Feed(raw), mode="r")
    return _Decompressed(raw, codec, name, pa.CompressedInputStream(feed, codec).read)


def read_head(stream: ByteStream, nbytes: int) -> bytes:
    """Read the first ``nbytes`` of a stream, fewer only where it has no more."""
    pieces = []
    while nbytes and (piece := stream.read(nbytes)):
        pieces.append(piece)
        nbytes -= len(piece)
    return b"".join(pieces)


class Rewound:
    """A stream whose first bytes, ``head``, were read already; gives them again."""

    def __init__(self, stream: ByteStream, head: bytes) -> None:
        self.head = head
        self._stream = stream
        self._left = head

    @property
    def consumed(self) -> int:
        return self._stream.consumed

    def read(self, nbytes: int) -> bytes:
        if not self._left:
            return self._stream.read(nbytes)
        data, self._left = self._left[:nbytes], self._left[nbytes:]
        return data

    def close(self) -> None:
        self._stream.close()


def _require_magic(head: bytes, codec: str, name: str) -> None:
    magic = _MAGIC[codec]
    if not head:
        # Even nothing at all takes some bytes when it is compressed; a failed download leaves none.
        raise SourceError(f"{name} is empty (0 bytes), which {codec} data never is")
    if head.startswith(magic) or (codec in ("zstd", "lz4") and head[1:4] == _SKIPPABLE):
        return
    if magic.startswith(head):
        raise SourceError(f"{name} is cut short: it has {len(head)} bytes, not even a header of {codec}")
    raise SourceError(f"{name} is not {codec} data, which its name says it is: rename it, or write it again")


class _Feed:
    """What Arrow wants to see of a Python file object."""

    closed = False

    def __init__(self, stream: ByteStream) -> None:
        self.read = stream.read

    def close(self) -> None:
        """Leave the stream open: it is closed by whoever has opened it."""


class _CutShortError(Exception):
    """The input ended within a member."""


class _Decompressed:
    """Wraps a codec's ``read``: knows how far it came, and turns what it raises into sentences."""

    def __init__(self, raw: ByteStream, codec: str, name: str, read: Callable[[int], bytes]) -> None:
        self._raw = raw
        self._codec = codec
        self._name = name
        self._read = read
        self._given = 0

    @property
    def consumed(self) -> int:
        return self._raw.consumed

    def read(self, nbytes: int) -> bytes:
        try:
            data = self._read(nbytes)
        except _CutShortError:
            raise self._broken("is cut short") from None
        except (OSError, pa.ArrowException, lzma.LZMAError) as error:
            # Arrow has no type of its own for it.
            cut_short = "Truncated compressed stream" in str(error)
            raise self._broken("is cut short" if cut_short else "is damaged", str(error)) from None
        self._given += len(data)
        return data

    def close(self) -> None:
        self._raw.close()

    def _broken(self, how: str, why: str = "") -> SourceError:
        where = f"noticed by byte {self._raw.consumed:,}, behind {self._given:,} bytes of text"
        detail = "" if how == "is cut short" else f" ({why})"
        return SourceError(
            f"the {self._codec} data of {self._name} {how}{detail}, {where}: copy or write the file again"
        )


class _Decompressor(Protocol):
    """What the standard library's decompressors of one member have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Members:
    """Reads NOTE(members) with a decompressor for each; ``padding`` may stand around them.

    The standard library's own file classes drop what is damaged behind the first member, and Arrow's bz2
    stops at an empty one.
    """

    def __init__(self, raw: ByteStream, begin: Callable[[], _Decompressor], padding: bytes) -> None:
        self._raw = raw
        self._begin = begin
        self._padding = padding
        self._member: _Decompressor | None = None
        self._left = b""  # read, but of the next member

    def read(self, nbytes: int) -> bytes:
        while True:
            member = self._member or self._next_member()
            if member is None:
                return b""
            data = member.decompress(self._take() if member.needs_input else b"", nbytes)
            if member.eof:
                self._left = member.unused_data
                self._member = None
            if data:
                return data

    def _take(self) -> bytes:
        piece, self._left = self._left or self._raw.read(_PIECE_BYTES), b""
        if not piece:
            raise _CutShortError
        return piece

    def _next_member(self) -> _Decompressor | None:
        self._left = self._left.lstrip(self._padding)
        while not self._left:
            piece = self._raw.read(_PIECE_BYTES)
            if not piece:
                return None
            self._left = piece.lstrip(self._padding)
        self._member = self._begin()
        return self._member


def _begin_bz2() -> _Decompressor:
    return bz2.BZ2Decompressor()


def _begin_xz() -> _Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


def closing_on_error(raw: ByteStream, codec: str | None, name: str) -> ByteStream:
    """Return ``decompressed(raw, codec, name)``; where that fails, ``raw`` is closed."""
    try:
        return decompressed(raw, codec, name)
    except BaseException:
        raw.close()
        raise


def sniffed(raw: ByteStream, name: str) -> ByteStream:
    """Return the text of a stream that is compressed if its first bytes say so."""
    try:
        head = read_head(raw, MAGIC_BYTES)
    except BaseException:
        raw.close()
        raise
    return closing_on_error(Rewound(raw, head), sniff(head), name)
