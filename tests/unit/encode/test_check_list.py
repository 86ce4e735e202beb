"""Lists, gathered by digests: what is gathered of a source and of the lists, and where they differ."""

from __future__ import annotations

import pickle
from collections import Counter

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from etl.encode import gathered
from etl.encode.digest import digests
from etl.encode.gathered import BUCKETS, Gathered, compact, differing, slices, sums_of

TEXTS = st.lists(st.binary(max_size=80), min_size=1, max_size=20)


def column(texts: list[bytes]) -> pa.Array:
    return pa.array(texts, pa.binary())


@example([b"", b"\x01"], 0)
@given(TEXTS, st.integers(0, 2**64 - 1))
def test_a_digest_depends_on_the_text_and_the_seed_and_on_no_neighbour(texts: list[bytes], seed: int) -> None:
    together = digests(column(texts), seed).to_pylist()
    alone = [digests(column([text]), seed)[0].as_py() for text in texts]
    assert together == alone
    assert len(set(together)) == len(set(texts))
    assert digests(column(texts), seed ^ 2).to_pylist() != together


def test_texts_of_every_length_and_with_trailing_zeros_have_digests_of_their_own() -> None:
    texts = [b"x" * length for length in range(200)] + [b"\0" * length for length in range(1, 200)]
    assert len(set(digests(column(texts), 7).to_pylist())) == len(texts)


@given(TEXTS, TEXTS)
def test_buckets_differ_where_the_multisets_do(one: list[bytes], other: list[bytes]) -> None:
    mine, theirs = digests(column(one), 5), digests(column(other), 5)
    found = {bucket for bucket, _ in differing(sums_of(mine), sums_of(theirs))}
    counts, there = Counter(mine.to_pylist()), Counter(theirs.to_pylist())
    buckets = {digest % BUCKETS for digest in {*counts, *there} if counts[digest] != there[digest]}
    assert found == {digest % BUCKETS for digest in counts} & buckets


def test_what_batches_have_gathered_adds_up_and_travels() -> None:
    parts = [digests(column([b"%d" % number]), 3) for number in range(50)]
    together = Gathered()
    for number, part in enumerate(parts):
        together = together.and_also(Gathered(sums_of(part), {b"k%d" % (number % 2): number}))
    assert compact(together.sums) == sums_of(pa.concat_arrays(parts))
    assert together.lengths == {b"k0": 48, b"k1": 49}
    assert pickle.loads(pickle.dumps(together)) == together  # noqa: S301 - our own


def test_slices_have_every_bucket_once_and_about_as_many_elements() -> None:
    size = gathered.SLICE_ELEMENTS
    cut = slices([(1, size - 1), (2, 1), (3, 5 * size), (4, 1)])
    assert cut == [frozenset({1, 2}), frozenset({3}), frozenset({4})]
    assert slices([]) == []
