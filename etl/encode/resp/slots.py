"""Which hash slot of a Redis Cluster a key lies in, vectorised.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/: CRC16 (XMODEM) of the key modulo
16,384; where the key has a ``{`` and, after it, the next ``}`` with something between, only of what is
between the two (the hash tag).

NOTE(crc): a CRC16 that begins with 0 does not see zero bytes in front, so all keys are padded in front to the
same even length; then two bytes of every key at a time go through one table of 65,536 entries. That takes
about 4 ns a byte of the longest key, a third of a call of ``binascii.crc_hqx`` for each.
"""

from __future__ import annotations

import functools
from binascii import crc_hqx
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

SLOTS = 16_384

_MAX_PADDED = 256
"""Bytes of the longest key up to which all are padded to its length."""

_TAG = r"(?s)\A[^{]*\{(?P<tag>[^}]+)\}"
_WORD = pa.uint16()


def slot_of(key: bytes) -> int:
    """Return the hash slot of one key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def slots_of(keys: pa.Array) -> pa.Array:
    """Return the hash slots (uint16) of ``keys`` (binary, none is null)."""
    if not len(keys):
        return pa.array([], _WORD)
    hashed = _hashed_parts(keys)
    longest = pc.max(pc.binary_length(hashed)).as_py()
    crcs = _checksums(hashed, longest) if longest <= _MAX_PADDED else _checksums_one_by_one(hashed)
    return pc.bit_wise_and(crcs, pa.scalar(SLOTS - 1, _WORD))


def tag_of(slot: int) -> bytes:
    """Return a short hash tag (without braces) whose keys lie in ``slot``."""
    return b"%d" % pc.index(_slots_of_numbers(), pa.scalar(slot, _WORD)).as_py()


@functools.cache
def _slots_of_numbers() -> pa.Array:
    """Return the slots of so many decimal numbers, from 0 on, that each slot is among them."""
    return slots_of(_positions(1 << 18).cast(pa.string()).cast(pa.binary()))


def _hashed_parts(keys: pa.Array) -> pa.Array:
    """Return of each key what its slot is made of."""
    braces = pc.match_substring(keys, "{")
    if not pc.any(braces).as_py():
        return keys
    tags = pc.struct_field(pc.extract_regex(keys, _TAG), "tag")
    return pc.coalesce(tags, keys)


def _checksums(keys: pa.Array, longest: int) -> pa.Array:
    """Return the CRC16 of each key, of ``longest`` bytes at most: see NOTE(crc)."""
    if not longest:
        return pa.repeat(pa.scalar(0, _WORD), len(keys))
    words_per_key = (longest + 1) // 2
    text = pa.Array.from_buffers(pa.string(), len(keys), keys.buffers(), offset=keys.offset)
    padded = pc.ascii_lpad(text, 2 * words_per_key, padding="\0")
    _, _, data = padded.buffers()
    words = pa.Array.from_buffers(_WORD, len(keys) * words_per_key, [None, data])
    at = pc.multiply(_positions(len(keys)), pa.scalar(words_per_key, pa.int64()))
    steps = _steps()
    crcs = steps.take(words.take(at))
    for place in range(1, words_per_key):
        word = words.take(pc.add(at, pa.scalar(place, pa.int64())))
        crcs = steps.take(pc.bit_wise_xor(crcs, word))
    return _swapped().take(crcs)


def _checksums_one_by_one(keys: pa.Array) -> pa.Array:
    return pa.array([crc_hqx(key, 0) for key in keys.to_pylist()], _WORD)


def _positions(count: int) -> pa.Array:
    ones = pa.repeat(pa.scalar(1, pa.int64()), count)
    return pc.subtract(pc.cumulative_sum(ones), pa.scalar(1, pa.int64()))


@functools.cache
def _steps() -> pa.Array:
    """Return what two bytes more make of a CRC: both sides as a little-endian machine reads two bytes."""
    return pa.array([_swap(crc_hqx(number.to_bytes(2, "little"), 0)) for number in range(1 << 16)], _WORD)


@functools.cache
def _swapped() -> pa.Array:
    return pa.array(map(_swap, range(1 << 16)), _WORD)


def _swap(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def ranges_of(slots: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive slots, as first and last, of slots in ascending order."""
    runs: list[tuple[int, int]] = []
    for slot in slots:
        if runs and slot == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], slot)
        else:
            runs.append((slot, slot))
    return runs


def spread(ranges: Iterable[tuple[int, int]], most: int) -> list[int]:
    """Return up to ``most`` of the slots in these ranges, the first one first, all over them.

    Slots that are on the move are mostly next to each other, and the first ones.
    """
    slots = [slot for first, last in ranges for slot in range(first, last + 1)]
    count = min(most, len(slots))
    return [slots[place * len(slots) // count] for place in range(count)]
