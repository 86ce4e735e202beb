"""What an error reply means: one table, by the reply's first word."""

from __future__ import annotations

from etl.errors import TargetError

MEANINGS: dict[str, str] = {
    "OOM": "the server is full (maxmemory); give it more memory or load less",
    "READONLY": "the server is a read-only replica; load into its primary",
    "MASTERDOWN": "the server is a replica that lost its primary",
    "LOADING": "the server is still loading its data set; try again when it is ready",
    "MISCONF": "the server cannot save its data to disk and refuses writes; see its log",
    "NOREPLICAS": "the server has too few replicas to accept writes (min-replicas-to-write)",
    "BUSY": "the server is busy with a script",
    "NOAUTH": "the server wants a password; put it into the URL, in front of the host: :PASSWORD@host",
    "WRONGPASS": "the user name or password is wrong",
    "NOPERM": "this user may not run the command or touch the key; give it the permission (ACL SETUSER)",
    "DENIED": "the server runs in protected mode and takes no connections from here",
    "MOVED": "the server is part of a Redis Cluster, which cannot be loaded into yet",
    "CROSSSLOT": "the server is part of a Redis Cluster, which cannot be loaded into yet",
    "CLUSTERDOWN": "the server is part of a Redis Cluster that is down",
}


def first_word(reply: BaseException) -> str:
    """Give the class of an error reply: its first word, or the status redis-py has taken from it."""
    return str(getattr(reply, "status_code", None) or str(reply).split(" ", 1)[0])


def explain(reply: BaseException) -> str:
    """Say what an error reply means and what to do. Never quotes data: only what the server says of it."""
    word = first_word(reply)
    said = str(reply).split(", with args beginning with", 1)[0].split("\n", 1)[0][:200]
    meaning = MEANINGS.get(word)
    return f"{meaning} ({said})" if meaning else said


_EVERY_RECORD = (
    "unknown command",
    "unknown subcommand",
    "wrong number of arguments",
    "syntax error",
    "Protocol error",
    "DUMP payload version or checksum are wrong",
    "Bad data format",
)
"""What an ERR reply says when every record would get it."""


def failure(reply: Exception | str, target: object) -> TargetError:
    """Make the error that ends the run because of a reply."""
    return TargetError(f"{target}: {explain(reply) if isinstance(reply, Exception) else reply}")


def fatal(reply: Exception, target: object) -> TargetError | None:
    """Make the error that ends the run, for a reply that every record would get; None for a record's own.

    WRONGTYPE, a bad number, a bad score, a module's own error: these are the record's.
    """
    said = str(reply)
    if first_word(reply) in MEANINGS or any(what in said for what in _EVERY_RECORD):
        return failure(reply, target)
    return None
