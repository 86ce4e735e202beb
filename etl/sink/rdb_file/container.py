"""How the parts of an RDB file lie in the file: as they are, or (``.gz``) each a gzip member of its own.

https://www.rfc-editor.org/rfc/rfc1952: members one after the other are one file, and their data are what it
holds. So parts are compressed by whoever makes them, at the same time; a gap is a member without data, as
long as its comment; and the header, whose numbers come last, is stored as it is, so that its size is known.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from etl.encode.rdb.file import MIN_PADDING_BYTES, padding
from etl.plan.wire import Buffer

_HEAD_BYTES, _TRAILER_BYTES = 10, 8
_GZIP = b"\x1f\x8b\x08"
_COMMENT = 16
_EMPTY_DEFLATE = b"\x03\x00"
_LEVEL = 6
_AS_GZIP = 16 + zlib.MAX_WBITS


class Container(Protocol):
    """How bytes of an RDB file are put into a file. Pure."""

    def packed(self, buffers: Sequence[Buffer]) -> Sequence[Buffer]:
        """Return what is written for a part of the RDB file."""

    def stored(self, data: bytes) -> bytes:
        """Return what is written for a part, whose length depends on that of ``data`` alone."""

    def unpacked(self, written: bytes) -> bytes:
        """Return the part that something was written for. Raises ValueError for what is none."""

    def filled(self, nbytes: int) -> tuple[bytes, bytes]:
        """Return what fills a gap of so many bytes, and what that is in the RDB file."""

    @property
    def min_gap(self) -> int:
        """The bytes of the smallest gap that can be filled: no part is shorter."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A Container: an RDB file as it is."""

    min_gap: ClassVar[int] = MIN_PADDING_BYTES

    def packed(self, buffers: Sequence[Buffer]) -> Sequence[Buffer]:
        return buffers

    def stored(self, data: bytes) -> bytes:
        return data

    def unpacked(self, written: bytes) -> bytes:
        return written

    def filled(self, nbytes: int) -> tuple[bytes, bytes]:
        fill = padding(nbytes)
        return fill, fill


@dataclass(frozen=True, slots=True)
class Gzip:
    """A Container: an RDB file that is compressed."""

    min_gap: ClassVar[int] = (
        _HEAD_BYTES + len(_EMPTY_DEFLATE) + _TRAILER_BYTES + 1
    )  # with a comment of no letter

    def packed(self, buffers: Sequence[Buffer]) -> Sequence[Buffer]:
        return (_member(buffers, _LEVEL),)

    def stored(self, data: bytes) -> bytes:
        return _member((data,), 0)

    def unpacked(self, written: bytes) -> bytes:
        try:
            return zlib.decompress(written, _AS_GZIP)
        except zlib.error as error:
            raise ValueError(str(error)) from None

    def filled(self, nbytes: int) -> tuple[bytes, bytes]:
        comment = b"-" * (nbytes - self.min_gap)
        return (
            _GZIP + bytes((_COMMENT,)) + bytes(6) + comment + b"\0" + _EMPTY_DEFLATE + bytes(_TRAILER_BYTES),
            b"",
        )


def _member(buffers: Sequence[Buffer], level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _AS_GZIP)
    return b"".join([*map(packer.compress, buffers), packer.flush()])


def container_of(path: str) -> Container:
    """Return how the file of that name is written: its ending says so."""
    return Gzip() if path.endswith(".gz") else Plain()
