"""A small Redis in memory, written from the command pages and not from the code under test."""

from __future__ import annotations

import json
import math
from typing import Any

WRONG_TYPE = Exception("WRONGTYPE Operation against a key holding the wrong kind of value")
OK = object()


class Model:
    """Executes commands over Python values: bytes, dict (hash, zset as ``Scores``), set, list, ``Document``.

    ``exact_scores`` writes scores as servers before 7.2 did (17 digits), else as short as can be.
    """

    def __init__(self, *, exact_scores: bool = False) -> None:
        self.keys: dict[bytes, Any] = {}
        self.expiries: dict[bytes, int] = {}
        self.exact_scores = exact_scores
        self.asked: list[bytes] = []

    def answer(self, command: list[bytes]) -> bytes:
        name, *arguments = command
        self.asked.append(name)
        method = getattr(self, "do_" + name.decode().lower().replace(".", "_"), None)
        if method is None:
            return _encoded(Exception("ERR unknown command"))
        try:
            return _encoded(method(*arguments))
        except RefusedError as refused:
            return _encoded(Exception(str(refused)))

    def get(self, key: bytes, kind: type) -> Any:
        value = self.keys.get(key)
        if value is not None and type(value) is not kind:
            raise RefusedError(str(WRONG_TYPE))
        return value

    def make(self, key: bytes, kind: type) -> Any:
        value = self.get(key, kind)
        if value is None:
            value = self.keys[key] = kind()
        return value

    # Keys

    def do_del(self, *keys: bytes) -> int:
        return sum(self.keys.pop(key, None) is not None for key in keys)

    do_unlink = do_del

    def do_exists(self, *keys: bytes) -> int:
        return sum(key in self.keys for key in keys)

    def do_pexpire(self, key: bytes, when: bytes) -> int:
        if key not in self.keys:
            return 0
        self.expiries[key] = int(when)
        return 1

    do_expire = do_expireat = do_pexpire

    # Strings

    def do_set(self, key: bytes, value: bytes, *options: bytes) -> Any:
        words = [option.upper() for option in options]
        if (b"NX" in words and key in self.keys) or (b"XX" in words and key not in self.keys):
            return None
        self.keys[key] = value
        return OK

    def do_setex(self, key: bytes, _seconds: bytes, value: bytes) -> Any:
        return self.do_set(key, value)

    do_psetex = do_setex

    def do_setnx(self, key: bytes, value: bytes) -> int:
        return int(self.do_set(key, value, b"NX") is OK)

    def do_mset(self, *pairs: bytes) -> Any:
        _even(pairs)
        self.keys.update(zip(pairs[::2], pairs[1::2], strict=True))
        return OK

    def do_get(self, key: bytes) -> Any:
        return self.get(key, bytes)

    def do_mget(self, *keys: bytes) -> list[Any]:
        values = [self.keys.get(key) for key in keys]
        return [value if isinstance(value, bytes) else None for value in values]

    # Hashes

    def do_hset(self, key: bytes, *pairs: bytes) -> int:
        _even(pairs)
        fields = self.make(key, dict)
        before = len(fields)
        fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(fields) - before

    def do_hmset(self, key: bytes, *pairs: bytes) -> Any:
        self.do_hset(key, *pairs)
        return OK

    def do_hsetnx(self, key: bytes, field: bytes, value: bytes) -> int:
        if field in (self.get(key, dict) or {}):
            return 0
        return self.do_hset(key, field, value)

    def do_hget(self, key: bytes, field: bytes) -> Any:
        return self.do_hmget(key, field)[0]

    def do_hmget(self, key: bytes, *fields: bytes) -> list[Any]:
        there = self.get(key, dict) or {}
        return [there.get(field) for field in fields]

    def do_hlen(self, key: bytes) -> int:
        return len(self.get(key, dict) or {})

    # Sets and lists

    def do_sadd(self, key: bytes, *members: bytes) -> int:
        there = self.make(key, set)
        before = len(there)
        there.update(members)
        return len(there) - before

    def do_sismember(self, key: bytes, member: bytes) -> int:
        return int(member in (self.get(key, set) or ()))

    def do_smismember(self, key: bytes, *members: bytes) -> list[int]:
        return [self.do_sismember(key, member) for member in members]

    def do_rpush(self, key: bytes, *values: bytes) -> int:
        there = self.make(key, list)
        there.extend(values)
        return len(there)

    def do_lpush(self, key: bytes, *values: bytes) -> int:
        there = self.make(key, list)
        there[:0] = reversed(values)
        return len(there)

    def do_llen(self, key: bytes) -> int:
        return len(self.get(key, list) or [])

    def do_lrange(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        there: list[bytes] = self.get(key, list) or []
        return there[int(first) : int(last) + 1]

    # Sorted sets

    def do_zadd(self, key: bytes, *words: bytes) -> int:
        flags, pairs = _flags(words, (b"NX", b"XX", b"GT", b"LT", b"CH"))
        _even(pairs)
        scores = [(_number(score), member) for score, member in zip(pairs[::2], pairs[1::2], strict=True)]
        there = self.make(key, Scores)
        before = len(there)
        changed = 0
        for score, member in scores:
            old = there.get(member)
            if (b"NX" in flags and old is not None) or (b"XX" in flags and old is None):
                continue
            if old is not None and ((b"GT" in flags and score <= old) or (b"LT" in flags and score >= old)):
                continue
            changed += old != score
            there[member] = score
        return changed if b"CH" in flags else len(there) - before

    def do_zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = (self.get(key, Scores) or {}).get(member)
        return None if score is None else self._score(score)

    def do_zmscore(self, key: bytes, *members: bytes) -> list[bytes | None]:
        return [self.do_zscore(key, member) for member in members]

    def _score(self, score: float) -> bytes:
        if math.isinf(score):
            return b"inf" if score > 0 else b"-inf"
        if score == int(score) and abs(score) < 2**53:
            return b"%d" % int(score)
        return b"%.17g" % score if self.exact_scores else repr(score).encode()

    def do_geoadd(self, key: bytes, *words: bytes) -> int:
        flags, triples = _flags(words, (b"NX", b"XX", b"CH"))
        if not triples or len(triples) % 3:
            raise RefusedError("ERR syntax error")
        pairs: list[bytes] = []
        for longitude, latitude, member in zip(triples[::3], triples[1::3], triples[2::3], strict=True):
            pairs += [b"%d" % geohash(_number(longitude), _number(latitude)), member]
        return self.do_zadd(key, *flags, *pairs)

    # JSON

    def do_json_set(self, key: bytes, path: bytes, text: bytes, *_options: bytes) -> Any:
        value = _json(text)
        if path in (b"$", b"."):
            self.keys[key] = Document(value)
            return OK
        document = self.get(key, Document)
        if document is None:
            raise RefusedError("ERR new objects must be created at the root")
        document.value[path.decode().lstrip("$.")] = value
        return OK

    def do_json_merge(self, key: bytes, _path: bytes, text: bytes) -> Any:
        document = self.make(key, Document)
        document.value = _merged(document.value, _json(text))
        return OK

    def do_json_get(self, key: bytes, path: bytes = b".") -> bytes | None:
        document = self.get(key, Document)
        if document is None:
            return None
        if path in (b"$", b"."):
            return _text([document.value] if path == b"$" else document.value)
        name = path.decode().lstrip("$.")
        there = isinstance(document.value, dict) and name in document.value
        if path.startswith(b"$"):
            return _text([document.value[name]] if there else [])
        if not there:
            raise RefusedError(f"ERR Path '{path.decode()}' does not exist")
        return _text(document.value[name])


class RefusedError(Exception):
    """The server answers with an error."""


class Scores(dict[bytes, float]):
    """A sorted set."""


class Document:
    """A JSON value."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


def _even(pairs: tuple[bytes, ...]) -> None:
    if not pairs or len(pairs) % 2:
        raise RefusedError("ERR wrong number of arguments")


def _flags(words: tuple[bytes, ...], known: tuple[bytes, ...]) -> tuple[list[bytes], tuple[bytes, ...]]:
    flags = []
    while words and words[0].upper() in known:
        flags.append(words[0].upper())
        words = words[1:]
    return flags, words


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError("ERR value is not a valid float") from None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise RefusedError("ERR expected value at line 1 column 1") from None


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def geohash(longitude: float, latitude: float) -> int:
    """Halve the world 52 times, longitude first: the bits that Redis keeps as a score."""
    bounds = [[-180.0, 180.0], [-85.05112878, 85.05112878]]
    score = 0
    for step in range(52):
        low, high = bounds[step % 2]
        value = (longitude, latitude)[step % 2]
        middle = (low + high) / 2
        score = score << 1 | (value >= middle)
        bounds[step % 2] = [middle, high] if value >= middle else [low, middle]
    return score


def _encoded(reply: Any) -> bytes:
    if reply is OK:
        return b"+OK\r\n"
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, Exception):
        return b"-%b\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n%b" % (len(reply), b"".join(map(_encoded, reply)))
