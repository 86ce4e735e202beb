"""RDB files of strings, read by the format's words alone, so that no server is needed to look into one."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path

from etl.encode.rdb.crc64 import crc64


@dataclass(slots=True)
class Strings:
    """What a file holds: ``keys`` is the number that it says it has, ``expiries`` are in milliseconds."""

    version: int
    aux: dict[bytes, bytes] = field(default_factory=dict)
    keys: int = 0
    expires: int = 0
    values: dict[bytes, bytes] = field(default_factory=dict)
    expiries: dict[bytes, int] = field(default_factory=dict)


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        assert len(taken) == count, "the file is cut off"
        self.at += count
        return taken

    def length(self) -> int:
        first = self.take(1)[0]
        if first >> 6 == 0:
            return first
        if first >> 6 == 1:
            return (first & 63) << 8 | self.take(1)[0]
        assert first in (0x80, 0x81), f"a length begins with {first:#x}"
        return int.from_bytes(self.take(4 if first == 0x80 else 8), "big")

    def string(self) -> bytes:
        return self.take(self.length())


def read_strings(path: Path) -> Strings:
    """Return what a file of strings holds. Raises AssertionError for anything else, a key twice among it."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert int.from_bytes(data[-8:], "little") == crc64()(data[:-8])
    cursor = _Cursor(data[:-8])
    assert cursor.take(5) == b"REDIS"
    found = Strings(int(cursor.take(4)))
    expiry = None
    while (opcode := cursor.take(1)) != b"\xff":
        if opcode == b"\xfa":
            name = cursor.string()
            found.aux[name] = cursor.string()
        elif opcode == b"\xfe":
            assert cursor.length() == 0
        elif opcode == b"\xfb":
            found.keys, found.expires = cursor.length(), cursor.length()
        elif opcode == b"\xfc":
            expiry = int.from_bytes(cursor.take(8), "little")
        else:
            assert opcode == b"\0", f"a type {opcode!r} at {cursor.at}"
            key = cursor.string()
            assert key not in found.values, f"{key!r} is in it twice"
            found.values[key] = cursor.string()
            if expiry is not None:
                found.expiries[key] = expiry
            expiry = None
    assert cursor.at == len(cursor.data)
    assert found.keys == len(found.values)
    assert found.expires == len(found.expiries)
    return found
