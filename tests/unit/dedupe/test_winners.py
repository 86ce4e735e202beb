"""Which record of a key stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.dedupe import winners
from etl.dedupe.winners import Keeps, Repeat, first_repeat, losers
from etl.encode.strategies.key_hashes import KEYS
from etl.sink.spilled_runs import Runs
from tests.examples import examples
from tests.unit.dedupe.given import counting, runs_of

KEYS_OF = st.lists(st.sampled_from([b"", b"a", b"b", b"\xff", b"a" * 200]), max_size=60)


def spilled(folder: Path, keys: list[bytes], order: list[int], bits: int, size: int) -> Runs:
    """Return runs of keys, the record ``order[i]`` in the place ``i``; so many bits tell hashes apart."""
    hashes = [hash(keys[number]) % (1 << bits) << (64 - bits) for number in order]
    return runs_of(folder, KEYS, hashes, order, [keys[number] for number in order], size=size)


@given(
    KEYS_OF, st.data(), st.sampled_from([1, 5000, 1 << 20]), st.integers(1, 9), st.sampled_from([0, 1, 4, 60])
)
@examples(5)
def test_of_each_key_one_record_stays(
    tmp_path: Path, keys: list[bytes], data: st.DataObject, memory: int, size: int, bits: int
) -> None:
    order = data.draw(st.permutations(range(len(keys))))
    runs = spilled(tmp_path, keys, order, bits, size)
    first: dict[bytes, int] = {}
    last: dict[bytes, int] = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
        last[key] = number
    calls, check = counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winners, "_MIN_BYTES", 64)
        stays: dict[Keeps, dict[bytes, int]] = {"first": first, "last": last}
        for keeps, stay in stays.items():
            gone = [number for some in losers(runs, keeps, memory, check) for number in some.to_pylist()]
            assert sorted(gone) == sorted(set(range(len(keys))) - set(stay.values()))
        again = [number for number, key in enumerate(keys) if first[key] != number]
        expected = Repeat(again[0], first[keys[again[0]]], keys[again[0]]) if again else None
        assert first_repeat(runs, memory, check) == expected
    assert calls
