"""64-bit digests of texts, vectorised: equal texts have equal ones, others hardly ever.

Two different texts share a digest with a probability of about 2**-64, and two that do cannot be made: the
seed is a random number of the run. Each step is that of splitmix64: multiply, and fold the high bits down.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

_UINT64 = pa.uint64()
_CLASSES = ((-1, 16), (16, 32), (32, 64))
"""Lengths of texts (over, up to) that are taken word by word, as many words for each text of a class."""

_WORD = 8
_ZEROS = pa.array([b"\0" * length for length in range(_WORD + 1)], pa.binary())
_FIRST = pa.scalar(0xBF58476D1CE4E5B9, _UINT64)
_SECOND = pa.scalar(0x94D049BB133111EB, _UINT64)
_HALF = pa.scalar(32, _UINT64)


def digests(texts: pa.Array, seed: int) -> pa.Array:
    """Return the digest of each text (``binary``, no nulls) as uint64; ``seed`` is under 2**64."""
    lengths = pc.binary_length(texts)
    found = pa.nulls(len(texts), _UINT64)
    for over, most in _CLASSES:
        found = _filled(
            found, pc.and_(pc.greater(lengths, over), pc.less_equal(lengths, most)), texts, seed, most
        )
    return _filled(found, pc.greater(lengths, _CLASSES[-1][1]), texts, seed, None)


def pair_digests(keys: pa.Array, elements: pa.Array) -> pa.Array:
    """Return a digest of each pair of digests."""
    return _mixed(pc.add(pc.multiply(keys, _SECOND), elements))


def _filled(found: pa.Array, mask: pa.Array, texts: pa.Array, seed: int, most: int | None) -> pa.Array:
    count = mask.true_count
    if not count:
        return found
    some = texts if count == len(texts) else texts.filter(mask)
    made = _by_words(some, seed, most) if most is not None else _one_by_one(some.to_pylist(), seed)
    return made if count == len(texts) else pc.replace_with_mask(found, mask, made)


def _by_words(texts: pa.Array, seed: int, most: int) -> pa.Array:
    # With a factor: a length alone and the first byte of a word would cancel out, as of b"" and b"\x01".
    lengths = pc.multiply(pc.binary_length(texts).cast(_UINT64), _SECOND)
    state = pc.add(lengths, pa.scalar(seed, _UINT64))
    for start in range(0, most, _WORD):
        piece = pc.binary_slice(texts, start, start + _WORD)
        rest = _ZEROS.take(pc.subtract(pa.scalar(_WORD, pa.int32()), pc.binary_length(piece)))
        padded = pc.binary_join_element_wise(piece, rest, b"")
        words = padded.view(pa.binary()).cast(pa.binary(_WORD)).view(_UINT64)
        state = _mixed(pc.bit_wise_xor(state, words))
    return state


def _mixed(state: pa.Array) -> pa.Array:
    for factor in (_FIRST, _SECOND):
        state = pc.multiply(pc.bit_wise_xor(state, pc.shift_right(state, _HALF)), factor)
    return pc.bit_wise_xor(state, pc.shift_right(state, _HALF))


def _one_by_one(texts: Iterable[bytes], seed: int) -> pa.Array:
    # Of long texts the call costs less than the text.
    key = seed.to_bytes(8, "little")
    made = array("B")
    for text in texts:
        made.frombytes(blake2b(text, digest_size=8, key=key).digest())
    return pa.Array.from_buffers(_UINT64, len(made) // 8, [None, pa.py_buffer(made)])
