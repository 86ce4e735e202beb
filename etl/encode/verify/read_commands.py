"""Ways to ask for one item: the request, the answer that is expected, and when an answer is good enough."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

Item = Sequence[bytes]
"""The arguments of one item: ``(score, member)``."""


def _equal(_item: Item, _reply: Any) -> bool:
    return False  # what is equal is the expected answer itself


def _number(text: bytes) -> float:
    """Read a number as a server does, by C's strtod. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        return float.fromhex(text.decode("ascii", "replace"))


def _as_number(item: Item, reply: bytes) -> bool:
    return _number(item[0]) == _number(reply)


def _at_least(item: Item, reply: bytes) -> bool:
    return _number(reply) >= _number(item[0])


def _at_most(item: Item, reply: bytes) -> bool:
    return _number(reply) <= _number(item[0])


def _at_place(item: Item, reply: bytes) -> bool:
    return cell(_number(item[0]), _number(item[1])) == int(_number(reply))


_STEPS = 26
_LONGITUDE = (-180.0, 180.0)
_LATITUDE = (-85.05112878, 85.05112878)


def cell(longitude: float, latitude: float) -> int:
    """Return the score that Redis keeps of a place: 26 bits of each coordinate, by turns (``geohash.c``)."""
    return _spread_bits(_offset(latitude, _LATITUDE)) | _spread_bits(_offset(longitude, _LONGITUDE)) << 1


def place(score: int) -> tuple[float, float]:
    """Return longitude and latitude of the middle of a cell."""

    def middle(offset: int, bounds: tuple[float, float]) -> float:
        low, high = bounds
        return low + (offset + 0.5) / (1 << _STEPS) * (high - low)

    return middle(_gather_bits(score >> 1), _LONGITUDE), middle(_gather_bits(score), _LATITUDE)


def _offset(value: float, bounds: tuple[float, float]) -> int:
    low, high = bounds
    return int((value - low) / (high - low) * (1 << _STEPS)) & 0xFFFFFFFF


def _spread_bits(value: int) -> int:
    # A binary number read in base 4 has its bits at every second place.
    return int(f"{value:b}", 4)


def _gather_bits(value: int) -> int:
    return sum((value >> 2 * bit & 1) << bit for bit in range(_STEPS))


def _show_last(item: Item, reply: Any) -> bytes:
    return item[-1] if reply is None or not isinstance(reply, bytes) else reply


def _show_pair(item: Item, reply: Any) -> bytes:
    return b"%b=%b" % (item[0], item[1] if reply is None else reply)


def _show_score(item: Item, reply: Any) -> bytes:
    return b"%b=%b" % (item[1], item[0] if reply is None else reply)


def _show_place(item: Item, reply: Any) -> bytes:
    if reply is None:
        return b"%b=%b,%b" % (item[2], item[0], item[1])
    try:
        return b"%b=%.6f,%.6f" % (item[2], *place(int(_number(reply))))
    except ValueError:  # no score, whatever else the server keeps there
        return b"%b=%b" % (item[2], reply)


@dataclass(frozen=True, slots=True)
class ReadCommand:
    """How items of ``each`` arguments are asked for.

    ``asked`` is the argument that the request names; the answer expected is the argument ``answer``, or
    ``constant``, or (both None) unknown. ``one`` asks for one item, ``many`` for many of one key
    (None: there is no such command). ``absent`` is the answer that says that there is nothing. ``good``
    says whether an answer (of the type ``kind``) that is not the expected one will do. ``show`` writes an
    item as the source has it (reply None) or as it was found.
    """

    each: int
    asked: int
    one: bytes
    many: bytes | None
    good: Callable[[Item, Any], bool]
    show: Callable[[Item, Any], bytes]
    answer: int | None = None
    constant: int | None = None
    absent: int | None = None
    kind: type = bytes


STRING = ReadCommand(2, 0, b"GET", b"MGET", _equal, _show_last, answer=1)
ONE_STRING = replace(STRING, many=None)
FIELD = ReadCommand(2, 0, b"HGET", b"HMGET", _equal, _show_pair, answer=1)
MEMBER = ReadCommand(1, 0, b"SISMEMBER", b"SMISMEMBER", _equal, _show_last, constant=1, absent=0, kind=int)
SCORE = ReadCommand(2, 1, b"ZSCORE", b"ZMSCORE", _as_number, _show_score, answer=0)
SCORE_AT_LEAST = ReadCommand(2, 1, b"ZSCORE", b"ZMSCORE", _at_least, _show_score, answer=0)
SCORE_AT_MOST = ReadCommand(2, 1, b"ZSCORE", b"ZMSCORE", _at_most, _show_score, answer=0)
PLACE = ReadCommand(3, 2, b"ZSCORE", b"ZMSCORE", _at_place, _show_place)


def score_command(flags: Collection[bytes]) -> ReadCommand:
    """Return the way to ask for what a ZADD with these flags has written."""
    if b"GT" in flags:
        return SCORE_AT_LEAST
    return SCORE_AT_MOST if b"LT" in flags else SCORE
