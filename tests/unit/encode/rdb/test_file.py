"""The parts of an RDB file besides its entries, read by a reader made from its description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.rdb.file import (
    DEFAULT_VERSION,
    END,
    MIN_PADDING_BYTES,
    VERSIONS,
    crc_join,
    crc_of,
    header,
    padding,
    trailer,
)
from tests.unit.encode import rdb_oracle


def test_a_file_without_keys_is_what_its_parts_say() -> None:
    aux = {b"redis-ver": b"7.0.0", b"%redis-etl": b"x" * 100}
    start = header(10, aux, keys=3, expires=1)
    assert start[:9] == b"REDIS0010"
    fields, at = rdb_oracle.read_aux(start, 9)
    assert fields == list(aux.items())
    assert start[at:] == b"\xfe\x00\xfb" + b"\x81" + bytes(7) + b"\x03" + b"\x81" + bytes(7) + b"\x01"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_header_is_as_long_before_the_numbers_are_known(version: int) -> None:
    aux = {b"ctime": b"1700000000"}
    lengths = {len(header(version, aux, keys=n, expires=m)) for n in (0, 70, 1 << 62) for m in (0, 1 << 40)}
    assert len(lengths) == 1


def test_the_default_version_is_the_first_with_listpacks() -> None:
    assert DEFAULT_VERSION == 10


def test_padding_is_aux_fields_of_exactly_so_many_bytes() -> None:
    edges = [*range(MIN_PADDING_BYTES, 400), *range(16_300, 16_500), *range((1 << 20) - 3, (1 << 20) + 9)]
    for nbytes in [*edges, (3 << 20) + 1]:
        made = padding(nbytes)
        assert len(made) == nbytes
        fields, at = rdb_oracle.read_aux(made, 0)
        assert at == nbytes
        assert {name.rstrip(b"-") for name, _ in fields} <= {b"", b"redis-etl-unused"}
        assert max(len(value) for _, value in fields) <= 1 << 20
        assert not any(b"".join(value for _, value in fields))


def test_no_padding_is_no_bytes_and_one_or_two_cannot_be_padded() -> None:
    assert padding(0) == b""
    for nbytes in (1, 2):
        with pytest.raises(ValueError, match="too few"):
            padding(nbytes)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_the_crcs_of_ranges_are_joined_to_that_of_the_file(ranges: list[bytes]) -> None:
    whole = b"".join(ranges)
    crc = 0
    for data in ranges:
        crc = crc_join(crc, crc_of(memoryview(data)), len(data))
    assert crc == crc_of(whole) == rdb_oracle.crc(whole)
    half = len(ranges) // 2
    left, right = b"".join(ranges[:half]), b"".join(ranges[half:])
    assert crc_join(crc_of(left), crc_of(right), len(right)) == crc
    assert crc_of(right, crc_of(left)) == crc


def test_ranges_may_be_longer_than_four_gigabytes() -> None:
    crc, joined = crc_of(b"abc"), 0
    zeros = crc_of(bytes(1 << 20))
    joined = crc
    for _ in range(3):
        joined = crc_join(joined, zeros, 1 << 20)
    assert crc_join(crc, crc_join(zeros, crc_join(zeros, zeros, 1 << 20), 2 << 20), 3 << 20) == joined
    # Twice as many zeros are the same again: 2 ** 35 bytes by doubling, and in one step.
    shifted = crc
    for _ in range(1 << 4):
        shifted = crc_join(shifted, 0, 1 << 31)
    assert shifted == crc_join(crc, 0, 1 << 35)


def test_a_trailer_is_the_checksum_of_all_before_it() -> None:
    data = header(10, {}, keys=0, expires=0) + END
    assert rdb_oracle.crc(data + trailer(crc_of(data))) == 0
