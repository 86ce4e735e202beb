"""Scores of places: the cells of Redis's geohash, against the naive halving of the world."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.verify.read_commands import cell, place
from tests.cases import cases
from tests.unit.encode.model import geohash

LONGITUDES = st.floats(-180, 179.999)
LATITUDES = st.floats(-85.05, 85.05)


@cases(
    ("longitude", "latitude", "score"),
    # What GEOADD and ZSCORE of a server say; the first two stand in Redis's documentation.
    [
        (13.361389, 38.115556, 3479099956230698),
        (15.087269, 37.502669, 3479447370796909),
        (0.0, 0.0, 3377699720527872),
        (-180.0, -85.05, 83281),
        (-0.001, 51.4778, 2163546804334630),
    ],
)
def test_a_cell_is_the_score_that_a_server_keeps(longitude: float, latitude: float, score: int) -> None:
    assert cell(longitude, latitude) == score


@given(LONGITUDES, LATITUDES)
def test_the_middle_of_a_cell_is_near_the_place(longitude: float, latitude: float) -> None:
    found_longitude, found_latitude = place(cell(longitude, latitude))
    assert found_longitude == pytest.approx(longitude, abs=3e-6)
    assert found_latitude == pytest.approx(latitude, abs=3e-6)


@given(LONGITUDES, LATITUDES)
def test_a_cell_is_found_by_halving_the_world_too(longitude: float, latitude: float) -> None:
    middle = place(cell(longitude, latitude))  # at an edge halving may round to the other side
    assert geohash(*middle) == cell(*middle) == cell(longitude, latitude)
