"""RDB files read slowly, from the format's description (``src/rdb.c``), not from the code under test.

What a server would panic at, or sanitize away, is an AssertionError here: above all a key twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.unit.encode.rdb_oracle import crc, read_aux, read_listpack


@dataclass(frozen=True)
class Found:
    """A key's value as Python has it, how it was written, and when it expires (ms since 1970, or None)."""

    value: Any
    layout: str
    expires_at: int | None = None


def read_file(data: bytes) -> tuple[int, dict[bytes, Found]]:
    """Read a whole file; return its version and its keys."""
    assert data[:5] == b"REDIS"
    assert data[-9] == 0xFF
    assert data[-8:] == crc(data[:-8]).to_bytes(8, "little")
    _, at = read_aux(data, 9)
    assert data[at : at + 3] == b"\xfe\0\xfb"
    at += 3
    sizes = []
    for _ in range(2):
        size, at = read_length(data, at)
        sizes.append(size)
    keys = read_entries(data[at:-9])
    assert sizes == [len(keys), sum(found.expires_at is not None for found in keys.values())]
    return int(data[5:9]), keys


def read_entries(data: bytes) -> dict[bytes, Found]:
    """Read entries in a row, and AUX fields among them."""
    keys: dict[bytes, Found] = {}
    at = 0
    while at < len(data):
        expires_at = None
        if data[at] == 0xFA:
            _, at = read_aux(data, at)
            continue
        if data[at] == 0xFC:
            (expires_at,) = struct.unpack_from("<q", data, at + 1)
            at += 9
        kind = data[at]
        key, at = read_string(data, at + 1)
        assert key not in keys, key
        layout, read = _READERS[kind]
        value, at = read(data, at)
        keys[key] = Found(value, layout, expires_at)
    assert at == len(data)
    return keys


def read_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    width = {0x80: 4, 0x81: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def read_string(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_length(data, at)
    assert at + length <= len(data)
    return data[at : at + length], at + length


def read_ziplist(data: bytes) -> list[bytes]:
    """Read a ziplist's entries as texts, forwards; every prevlen is checked."""
    total, tail, count = struct.unpack_from("<IIH", data)
    assert total == len(data)
    assert data[-1] == 0xFF
    texts = []
    at, before, last = 10, 0, 10
    while at < total - 1:
        last = at
        prevlen, at = data[at], at + 1
        if prevlen == 254:
            (prevlen,), at = struct.unpack_from("<I", data, at), at + 4
        assert prevlen == before
        if data[at] < 0x40:
            length, at = data[at], at + 1
        else:
            assert data[at] < 0x80
            length, at = (data[at] & 0x3F) << 8 | data[at + 1], at + 2
        texts.append(data[at : at + length])
        at += length
        before = at - last
    assert at == total - 1
    assert tail == last
    assert len(texts) == count
    return texts


def _strings(each: int) -> Callable[[bytes, int], tuple[list[bytes], int]]:
    def read(data: bytes, at: int) -> tuple[list[bytes], int]:
        count, at = read_length(data, at)
        assert count
        texts = []
        for _ in range(each * count):
            text, at = read_string(data, at)
            texts.append(text)
        return texts, at

    return read


def _boxed(unbox: Callable[[bytes], list[bytes]]) -> Callable[[bytes, int], tuple[list[bytes], int]]:
    def read(data: bytes, at: int) -> tuple[list[bytes], int]:
        box, at = read_string(data, at)
        return unbox(box), at

    return read


def _nodes(data: bytes, at: int) -> tuple[list[bytes], int]:
    count, at = read_length(data, at)
    texts = []
    for _ in range(count):
        container, at = read_length(data, at)
        assert container == 2, "a packed node"
        box, at = read_string(data, at)
        texts += read_listpack(box)
    return texts, at


def _old_nodes(data: bytes, at: int) -> tuple[list[bytes], int]:
    count, at = read_length(data, at)
    texts = []
    for _ in range(count):
        box, at = read_string(data, at)
        texts += read_ziplist(box)
    return texts, at


def _intset(box: bytes) -> list[bytes]:
    width, count = struct.unpack_from("<II", box)
    assert len(box) == 8 + width * count
    numbers = [n for (n,) in struct.iter_unpack({2: "<h", 4: "<i", 8: "<q"}[width], box[8:])]
    assert numbers == sorted(set(numbers))
    assert width == 2 or any(not -(1 << 4 * width - 1) <= n < 1 << 4 * width - 1 for n in numbers)
    return [b"%d" % number for number in numbers]


def _scored(data: bytes, at: int) -> tuple[list[tuple[bytes, float]], int]:
    count, at = read_length(data, at)
    pairs = []
    for _ in range(count):
        member, at = read_string(data, at)
        pairs.append((member, struct.unpack_from("<d", data, at)[0]))
        at += 8
    return pairs, at


def _stream(data: bytes, at: int) -> tuple[list[tuple[tuple[int, int], list[bytes]]], int]:
    """Read the entries of a stream: their ids, and names and values by turns."""
    count, at = read_length(data, at)
    entries = []
    for _ in range(count):
        first, at = read_string(data, at)
        ms, seq = struct.unpack(">QQ", first)
        box, at = read_string(data, at)
        entries += _stream_node(ms, seq, read_listpack(box))
    numbers = []
    for _ in range(4):
        number, at = read_length(data, at)
        numbers.append(number)
    assert numbers == [len(entries), *max(id for id, _ in entries), 0]
    return entries, at


def _stream_node(ms: int, seq: int, words: list[bytes]) -> list[tuple[tuple[int, int], list[bytes]]]:
    count, deleted, fields = map(int, words[:3])
    assert deleted == 0
    names = words[3 : 3 + fields]
    assert words[3 + fields] == b"0"
    rest = words[4 + fields :]
    entries = []
    for _ in range(count):
        flags, more_ms, more_seq = map(int, rest[:3])
        assert flags == 2, "the same fields"
        values = rest[3 : 3 + fields]
        assert int(rest[3 + fields]) == 3 + fields
        rest = rest[4 + fields :]
        pairs = [word for pair in zip(names, values, strict=True) for word in pair]
        entries.append(((ms + more_ms, seq + more_seq), pairs))
    assert not rest
    return entries


def _hash(read: Callable[[bytes, int], tuple[list[bytes], int]]) -> Callable[[bytes, int], tuple[Any, int]]:
    def pairs(data: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
        words, at = read(data, at)
        made = dict(zip(words[::2], words[1::2], strict=True))
        assert 2 * len(made) == len(words) > 0, "a field twice, or none"
        return made, at

    return pairs


def _set(read: Callable[[bytes, int], tuple[list[bytes], int]]) -> Callable[[bytes, int], tuple[Any, int]]:
    def members(data: bytes, at: int) -> tuple[set[bytes], int]:
        words, at = read(data, at)
        assert len(set(words)) == len(words) > 0, "a member twice, or none"
        return set(words), at

    return members


def _zset(
    read: Callable[[bytes, int], tuple[list[bytes], int]],
) -> Callable[[bytes, int], tuple[Any, int]]:
    def members(data: bytes, at: int) -> tuple[dict[bytes, float], int]:
        words, at = read(data, at)
        pairs = [(float(score), member) for member, score in zip(words[::2], words[1::2], strict=True)]
        assert pairs == sorted(pairs), "a sorted set out of order"
        return _scores([(member, score) for score, member in pairs]), at

    return members


def _zset_table(data: bytes, at: int) -> tuple[dict[bytes, float], int]:
    pairs, at = _scored(data, at)
    return _scores(pairs), at


def _scores(pairs: list[tuple[bytes, float]]) -> dict[bytes, float]:
    made = dict(pairs)
    assert len(made) == len(pairs) > 0, "a member twice, or none"
    return made


_READERS: dict[int, tuple[str, Callable[[bytes, int], tuple[Any, int]]]] = {
    0: ("string", read_string),
    1: ("list", _strings(1)),
    2: ("set", _set(_strings(1))),
    4: ("hash", _hash(_strings(2))),
    5: ("zset", _zset_table),
    11: ("intset", _set(_boxed(_intset))),
    12: ("zset ziplist", _zset(_boxed(read_ziplist))),
    13: ("ziplist", _hash(_boxed(read_ziplist))),
    14: ("list ziplist", _old_nodes),
    15: ("stream", _stream),
    16: ("listpack", _hash(_boxed(read_listpack))),
    17: ("zset listpack", _zset(_boxed(read_listpack))),
    18: ("list listpack", _nodes),
    20: ("set listpack", _set(_boxed(read_listpack))),
}
