"""What nodes say of slots, and of where one has gone, whatever they call each other."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sink.session.slot_map import SlotMap, endpoint, format_ranges, read_slot_map, redirection
from tests.cases import cases

ASKED = "seed:7000"


def node(host: bytes | None, port: int) -> list[Any]:
    return [host, port, b"id", []]


def test_a_map_knows_the_primary_of_each_slot_and_the_replicas() -> None:
    reply = [
        [0, 99, node(b"a", 1), node(b"b", 2), node(b"c", 3)],
        [200, 16_383, node(b"b", 2), node(b"a", 9)],
        [100, 198, node(b"a", 1)],
    ]
    slot_map = read_slot_map(reply, ASKED)
    assert slot_map is not None
    assert slot_map.nodes == ("a:1", "b:2")
    assert slot_map.replicas == ("b:2", "c:3", "a:9")
    assert [slot_map.owner(slot) for slot in (0, 99, 100, 198, 199, 200, 16_383)] == [
        *["a:1"] * 4,
        None,
        *["b:2"] * 2,
    ]
    assert slot_map.unserved == [(199, 199)]
    assert slot_map.slots() == {"a:1": [(0, 198)], "b:2": [(200, 16_383)]}
    assert slot_map.places.take([0, 199, 200]).to_pylist() == [0, 2, 1]


def test_a_slot_that_moves_is_the_other_nodes_from_then_on() -> None:
    slot_map = SlotMap(["a:1"] * 8_192 + ["b:2"] * 8_192)
    assert slot_map.move(5, "b:2")
    assert not slot_map.move(5, "b:2")
    assert slot_map.move(6, "new:3")
    assert slot_map.owner(5) == "b:2"
    assert slot_map.nodes == ("a:1", "b:2", "new:3")
    assert slot_map.slots()["a:1"] == [(0, 4), (7, 8_191)]
    assert slot_map.slots()["b:2"] == [(5, 5), (8_192, 16_383)]
    assert slot_map.slots()["new:3"] == [(6, 6)]


@cases(
    "host, expected",
    [
        (b"10.0.0.1", "10.0.0.1:7001"),
        (b"node-1.example", "node-1.example:7001"),
        (b"::1", "[::1]:7001"),
        (b"", "seed:7001"),
        (b"?", "seed:7001"),
        (None, "seed:7001"),
        ("a", "a:7001"),
    ],
)
def test_a_host_that_is_not_named_is_the_one_that_was_asked(host: bytes | str | None, expected: str) -> None:
    assert endpoint(host, 7001, ASKED) == expected


def test_an_ipv6_node_that_names_no_host_keeps_its_brackets() -> None:
    assert endpoint(b"", 7001, "[::1]:7000") == "[::1]:7001"


@cases(
    "text, expected",
    [
        ("MOVED 3999 127.0.0.1:6381", (3999, "127.0.0.1:6381")),
        ("ASK 0 :6381", (0, "seed:6381")),
        ("MOVED 16383 ?:6381", (16_383, "seed:6381")),
        ("MOVED 1 ::1:6381", (1, "[::1]:6381")),
        ("MOVED 1 host.example:1 more words", (1, "host.example:1")),
    ],
)
def test_a_redirection_names_a_slot_and_a_node(text: str, expected: tuple[int, str]) -> None:
    assert redirection(text, ASKED) == expected


@cases(
    "text", ["MOVED", "MOVED 1", "ASK x a:1", "MOVED 16384 a:1", "MOVED -1 a:1", "ASK 1 a:port", "ASK 1 a"]
)
def test_a_redirection_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        redirection(text, ASKED)


@cases(
    "reply",
    [b"OK", None, 5, [1], [[0]], [[0, 1]], [[0, b"x", [b"a", 1]]], [[0, 16_384, [b"a", 1]]], [[0, 1, 2]]],
)
def test_a_map_that_is_none_is_told(reply: Any) -> None:
    assert read_slot_map(reply, ASKED) is None


def test_ranges_are_written_as_redis_does() -> None:
    assert format_ranges([(0, 5460), (10_923, 10_923)]) == "0-5460,10923"
