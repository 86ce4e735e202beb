"""64-bit hashes of many keys at once, the same in every process and batch.

NOTE(key hash): keys are padded with zero bytes to whole words of eight. A word is multiplied by an odd
constant of its place, folded and multiplied again, which is one to one and makes nothing of a zero word: so
how far a batch's longest key makes all others be padded is of no consequence. The sum of the words, with the
length, is folded and multiplied once more. Keys of up to eight bytes and the same length never share a hash;
of others two in 2^64 do by chance, and whoever uses the hashes looks at the keys then.
"""

from __future__ import annotations

import functools
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

HASH = pa.uint64()
HASH_BITS = 64

_MAX_PADDED = 128
"""Bytes of a key up to which it is hashed by words; longer ones are rare, and one alone would widen all."""

_WORD_BYTES = 8


def hashes_of(keys: pa.Array) -> pa.Array:
    """Return the hash (uint64) of each of ``keys`` (binary, none is null)."""
    if not len(keys):
        return pa.array([], HASH)
    lengths = pc.binary_length(keys)
    longest = pc.max(lengths).as_py()
    if longest <= _MAX_PADDED:
        return _by_words(keys, lengths, longest)
    short = pc.less_equal(lengths, _MAX_PADDED)
    padded = pc.if_else(short, keys, pa.scalar(b"", keys.type))
    hashes = _by_words(padded, lengths, pc.max(pc.binary_length(padded)).as_py())
    long_keys = keys.filter(pc.invert(short)).to_pylist()
    digests = pa.array(
        [int.from_bytes(blake2b(key, digest_size=8).digest(), "big") for key in long_keys], HASH
    )
    return pc.replace_with_mask(hashes, pc.invert(short), digests)


def _by_words(keys: pa.Array, lengths: pa.Array, longest: int) -> pa.Array:
    """Hash keys of at most ``longest`` bytes: see NOTE(key hash)."""
    count = len(keys)
    sums = pc.multiply(lengths.cast(HASH), _odd(0))
    words_per_key = -(-longest // _WORD_BYTES)
    if words_per_key:
        text = pa.Array.from_buffers(pa.string(), count, keys.buffers(), offset=keys.offset)
        _, _, data = pc.ascii_rpad(text, _WORD_BYTES * words_per_key, padding="\0").buffers()
        words = pa.Array.from_buffers(HASH, count * words_per_key, [None, data])
        at = pa.arange(0, count * words_per_key, words_per_key)
        for place in range(words_per_key):
            own = words if words_per_key == 1 else pc.take(words.slice(place), at, boundscheck=False)
            sums = pc.add(sums, _mixed(own, 2 * place + 1))
    return _folded(_mixed(_folded(sums), 0))


def _mixed(words: pa.Array, place: int) -> pa.Array:
    return pc.multiply(_folded(pc.multiply(words, _odd(place))), _odd(place + 1))


def _folded(words: pa.Array) -> pa.Array:
    return pc.bit_wise_xor(words, pc.shift_right(words, pa.scalar(HASH_BITS // 2, HASH)))


@functools.cache
def _odd(place: int) -> pa.Scalar:
    """Return an odd number of 64 bits, another one for each place."""
    digest = blake2b(b"%d" % place, digest_size=8, person=b"redis-etl keys").digest()
    return pa.scalar(int.from_bytes(digest, "big") | 1, HASH)
