"""A job's record and lock, in memory: what a scripted server answers about them."""

from __future__ import annotations

import re
from collections.abc import Callable

Command = list[bytes]

_KEY = re.compile(rb"etl:\{.*\}(:lock|:checkpoints:.*)?", re.DOTALL)
_OK = b"+OK\r\n"
_NIL = b"$-1\r\n"


class JobKeys:
    """The keys ``etl:{JOB}`` and ``etl:{...}:checkpoints:JOB`` (hashes), and ``etl:{JOB}:lock`` (strings).

    Of one server, without expiry.
    """

    def __init__(self) -> None:
        self.records: dict[bytes, dict[bytes, bytes]] = {}
        self.locks: dict[bytes, bytes] = {}
        self._transaction: list[bytes] | None = None

    def answer(self, command: Command) -> bytes | None:
        """Answer a command if it is about a job's own keys (or part of a transaction), else give None."""
        name = command[0].upper()
        if name in (b"WATCH", b"UNWATCH"):
            return _OK
        if name == b"MULTI":
            self._transaction = []
            return _OK
        if name == b"EXEC":
            replies, self._transaction = self._transaction or [], None
            return b"*%d\r\n" % len(replies) + b"".join(replies)
        handler = _HANDLERS.get(name)
        if handler is None or not _KEY.fullmatch(command[1]):
            return None
        reply = handler(self, command[1], command[2:])
        if self._transaction is None:
            return reply
        self._transaction.append(reply)
        return b"+QUEUED\r\n"

    def _hgetall(self, key: bytes, words: Command) -> bytes:
        pairs = self.records.get(key, {})
        return b"*%d\r\n" % (2 * len(pairs)) + b"".join(
            _bulk(name) + _bulk(value) for name, value in pairs.items()
        )

    def _hset(self, key: bytes, words: Command) -> bytes:
        record = self.records.setdefault(key, {})
        before = len(record)
        record.update(zip(words[::2], words[1::2], strict=True))
        return _integer(len(record) - before)

    def _hget(self, key: bytes, words: Command) -> bytes:
        value = self.records.get(key, {}).get(words[0])
        return _NIL if value is None else _bulk(value)

    def _hdel(self, key: bytes, words: Command) -> bytes:
        record = self.records.get(key, {})
        return _integer(sum(record.pop(word, None) is not None for word in words))

    def _del(self, key: bytes, words: Command) -> bytes:
        gone = self.records.pop(key, None), self.locks.pop(key, None)
        return _integer(sum(one is not None for one in gone))

    def _set(self, key: bytes, words: Command) -> bytes:
        if b"NX" in words[1:] and key in self.locks:
            return _NIL
        self.locks[key] = words[0]
        return _OK

    def _get(self, key: bytes, words: Command) -> bytes:
        return _bulk(self.locks[key]) if key in self.locks else _NIL

    def _pexpire(self, key: bytes, words: Command) -> bytes:
        return _integer(key in self.locks)


_HANDLERS: dict[bytes, Callable[[JobKeys, bytes, Command], bytes]] = {
    b"HGETALL": JobKeys._hgetall,
    b"HSET": JobKeys._hset,
    b"HGET": JobKeys._hget,
    b"HDEL": JobKeys._hdel,
    b"DEL": JobKeys._del,
    b"SET": JobKeys._set,
    b"GET": JobKeys._get,
    b"PEXPIRE": JobKeys._pexpire,
}


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _integer(number: int) -> bytes:
    return b":%d\r\n" % number
