"""DUMP payloads of hashes read and written slowly, from the format's description, not the code under test.

Redis: ``src/listpack.c``, ``src/ziplist.c`` (6.2), ``src/rdb.c``, ``src/crc64.c`` (Jones's polynomial,
reflected).
"""

from __future__ import annotations

import struct

Pairs = list[tuple[bytes, bytes]]

_POLYNOMIAL = 0xAD93D23594C935A9


def _reflected(value: int) -> int:
    return int(f"{value:064b}"[::-1], 2)


def _byte_crc(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_reflected(_POLYNOMIAL) if byte & 1 else 0)
    return byte


_TABLE = [_byte_crc(byte) for byte in range(256)]


def crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 255]
    return value


# Reading


def read_payload(payload: bytes) -> tuple[str, Pairs]:
    """Read a payload; anything that is not as it should be is an AssertionError."""
    body, version, checksum = payload[:-10], payload[-10:-8], payload[-8:]
    assert version == b"\x0a\x00"
    assert int.from_bytes(checksum, "little") == crc(payload[:-8]), "bad CRC"
    kind, rest = body[0], body[1:]
    if kind == 16:
        length, start = _rdb_length(rest, 0)
        assert len(rest) == start + length
        elements = read_listpack(rest[start:])
        return "listpack", list(zip(elements[::2], elements[1::2], strict=True))
    assert kind == 4
    count, position = _rdb_length(rest, 0)
    words = []
    for _ in range(2 * count):
        length, position = _rdb_length(rest, position)
        words.append(rest[position : position + length])
        position += length
    assert position == len(rest)
    return "hashtable", list(zip(words[::2], words[1::2], strict=True))


def _rdb_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first >> 6 == 0:
        return first, at + 1
    if first >> 6 == 1:
        return (first & 63) << 8 | data[at + 1], at + 2
    assert first == 0x80
    return struct.unpack_from(">I", data, at + 1)[0], at + 5


def read_listpack(data: bytes) -> list[bytes]:
    """Read a listpack's elements as texts, forwards; every backlen is checked."""
    total, count = struct.unpack_from("<IH", data)
    assert total == len(data)
    assert data[-1] == 0xFF
    elements = []
    at = 6
    while at < total - 1:
        text, size = _element(data, at)
        at += size + _backlen_width(data, at + size, size)
        elements.append(text)
    assert at == total - 1
    assert len(elements) == count
    return elements


def _element(data: bytes, at: int) -> tuple[bytes, int]:
    first = data[at]
    if first < 0x80:
        return b"%d" % first, 1
    if first < 0xC0:
        length = first & 0x3F
        return data[at + 1 : at + 1 + length], 1 + length
    if first < 0xE0:
        number = (first & 0x1F) << 8 | data[at + 1]
        return b"%d" % (number - (1 << 13 if number >> 12 else 0)), 2
    if first < 0xF0:
        length = (first & 0x0F) << 8 | data[at + 1]
        return data[at + 2 : at + 2 + length], 2 + length
    if first == 0xF0:
        (length,) = struct.unpack_from("<I", data, at + 1)
        return data[at + 5 : at + 5 + length], 5 + length
    width = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}[first]
    return b"%d" % int.from_bytes(data[at + 1 : at + 1 + width], "little", signed=True), 1 + width


def _backlen_width(data: bytes, at: int, size: int) -> int:
    """Return the width of the backlen at ``at``: walked backwards from its end it must give ``size``."""
    for width in range(1, 6):
        if _walked_back(data, at + width - 1) == (size, width):
            return width
    raise AssertionError(f"no backlen of {size} behind the element at {at - size}")


def _walked_back(data: bytes, last: int) -> tuple[int, int]:
    value = data[last] & 127
    width = 1
    while data[last - width + 1] & 128 and width < 5:
        value |= (data[last - width] & 127) << 7 * width
        width += 1
    return value, width


# Writing


def write_listpack(texts: list[bytes]) -> bytes:
    elements = b"".join(map(write_element, texts))
    return struct.pack("<IH", 7 + len(elements), len(texts)) + elements + b"\xff"


def write_element(text: bytes) -> bytes:
    data = _integer(int(text)) if _is_integer(text) else _packed_string(text)
    return data + write_backlen(len(data))


def _is_integer(text: bytes) -> bool:
    try:
        number = int(text.decode("ascii"))
    except ValueError:
        return False
    return b"%d" % number == text and -(1 << 63) <= number < 1 << 63


def _integer(number: int) -> bytes:
    if 0 <= number < 128:
        return struct.pack("B", number)
    if -(1 << 12) <= number < 1 << 12:
        return struct.pack(">H", 0xC000 | number & 0x1FFF)
    for code, bits in ((0xF1, 16), (0xF2, 24), (0xF3, 32), (0xF4, 64)):
        if -(1 << bits - 1) <= number < 1 << bits - 1:
            return struct.pack("B", code) + struct.pack("<q", number)[: bits // 8]
    raise AssertionError(number)


def _packed_string(text: bytes) -> bytes:
    if len(text) < 1 << 6:
        return struct.pack("B", 0x80 | len(text)) + text
    if len(text) < 1 << 12:
        return struct.pack(">H", 0xE000 | len(text)) + text
    return struct.pack("<BI", 0xF0, len(text)) + text


def write_backlen(size: int) -> bytes:
    """Write the limits of ``lpEncodeBacklen`` out, odd as they are."""
    if size <= 127:
        return bytes([size])
    if size < 16383:
        return bytes([size >> 7, size & 127 | 128])
    if size < 2097151:
        return bytes([size >> 14, size >> 7 & 127 | 128, size & 127 | 128])
    if size < 268435455:
        return bytes([size >> 21, size >> 14 & 127 | 128, size >> 7 & 127 | 128, size & 127 | 128])
    return bytes([size >> 28, *(size >> shift & 127 | 128 for shift in (21, 14, 7, 0))])


def write_payload(pairs: Pairs) -> bytes:
    """Write the payload of a hash as a listpack."""
    listpack = write_listpack([word for pair in pairs for word in pair])
    return sealed(b"\x10" + _write_length(len(listpack)) + listpack)


def write_ziplist(pairs: Pairs) -> bytes:
    """Write the payload of a hash as a ziplist of strings, for Redis 5.0 to 6.2."""
    written, last = b"", b""
    for word in (word for pair in pairs for word in pair):
        size = len(last)
        before = struct.pack("B", size) if size < 254 else struct.pack("<BI", 254, size)
        head = struct.pack("B", len(word)) if len(word) < 64 else struct.pack(">H", 0x4000 | len(word))
        last = before + head + word
        written += last
    head = struct.pack("<IIH", 11 + len(written), 10 + len(written) - len(last), 2 * len(pairs))
    ziplist = head + written + b"\xff"
    return sealed(b"\x0d" + _write_length(len(ziplist)) + ziplist, version=9)


def write_table(pairs: Pairs, version: int = 10) -> bytes:
    """Write the payload of a hash as a hash table."""
    words = [word for pair in pairs for word in pair]
    texts = b"".join(_write_length(len(word)) + word for word in words)
    return sealed(b"\x04" + _write_length(len(pairs)) + texts, version)


def sealed(value: bytes, version: int = 10) -> bytes:
    value += struct.pack("<H", version)
    return value + struct.pack("<Q", crc(value))


def _write_length(length: int) -> bytes:
    if length < 1 << 6:
        return struct.pack("B", length)
    if length < 1 << 14:
        return struct.pack(">H", 0x4000 | length)
    return struct.pack(">BI", 0x80, length)


# Files


def read_aux(data: bytes, at: int) -> tuple[list[tuple[bytes, bytes]], int]:
    """Read AUX fields in a row; return them and where they end."""
    fields = []
    while data[at : at + 1] == b"\xfa":
        name, at = _long_string(data, at + 1)
        value, at = _long_string(data, at)
        fields.append((name, value))
    return fields, at


def _long_string(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _rdb_length(data, at)
    assert at + length <= len(data)
    return data[at : at + length], at + length
