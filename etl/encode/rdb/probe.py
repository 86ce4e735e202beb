"""The question whether a server takes hashes by RESTORE: for ``--wire auto`` and ``--wire restore``.

Asked with two hashes under a key of the job's own, a small one in one of the forms (``encode/dump.py``) and
one that is a hash table; a version number would not tell: compatible servers count their own, and a user may
not be allowed to RESTORE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.encode.rdb.hashes import HashEncoding
from etl.encode.rdb.listpack import MAX_STRING_BYTES
from etl.encode.rdb.payload import payload
from etl.encode.resp.protocol import plain
from etl.plan import Wire

_TTL = b"60000"
"""The key goes by itself when the loader dies before it has removed it."""

_COMPACT = (
    (b"", b""),
    (b"small", b"7"),
    (b"negative", b"-300"),
    (b"large", b"-9000000000"),
    (b"text", b"007"),
    (b"long", b"\0" * 65),
)
"""A value of more than 64 bytes: HSET would make a hash table of it, RESTORE leaves it compact."""

_LONG = ((b"short", b"1"), (b"long", b"x" * (MAX_STRING_BYTES + 1)))


def _checks(form: HashEncoding) -> tuple[tuple[str, Any], ...]:
    return (
        (f"RESTORE of a {form.encoding}", b"OK"),
        (f"HGETALL of a {form.encoding}", _COMPACT),
        ("OBJECT ENCODING", form.encoding.encode()),
        ("RESTORE of a hash table", b"OK"),
        ("HGETALL of a hash table", _LONG),
        ("DEL", 1),
    )


def probe(key: bytes, form: HashEncoding) -> Wire:
    """Make the commands that try RESTORE under ``key``, which they replace and remove; one group."""
    commands = (
        (b"RESTORE", key, _TTL, payload(_COMPACT, form), b"REPLACE"),
        (b"HGETALL", key),
        (b"OBJECT", b"ENCODING", key),
        (b"RESTORE", key, _TTL, payload(_LONG, form), b"REPLACE"),
        (b"HGETALL", key),
        (b"DEL", key),
    )
    return plain(*commands)


def objection(replies: Sequence[Any], form: HashEncoding) -> str | None:
    """Return why hashes cannot go by RESTORE in this encoding, from the answers to ``probe``; None: they can.

    The sentence quotes a server's error reply, no data.
    """
    for (what, wanted), reply in zip(_checks(form), replies, strict=True):
        if isinstance(reply, Exception):
            return f"{what} was refused: {reply}"
        if isinstance(wanted, tuple):
            if not isinstance(reply, list) or _pairs(reply) != sorted(wanted):
                return f"{what} does not return the hash"
        elif reply != wanted:
            return f"{what} answered {reply!r} instead of {wanted!r}"
    return None


def _pairs(flat: list[Any]) -> list[tuple[Any, Any]]:
    return sorted(zip(flat[::2], flat[1::2], strict=False))
