"""Options of the target: where it is, who connects, and what it may do with the data."""

from __future__ import annotations

import os
from collections.abc import Mapping

from etl.options import values as values
from etl.options.declare import Options, Parsed, Value, option, options_class

DEFAULT_URL = "redis://127.0.0.1:6379/0"


@options_class
class TargetOptions(Options):
    """Which server, and who connects to it."""

    TITLE = "target options"

    to: str | None = option(
        default=None,
        help="where the records go: redis://, rediss:// (TLS), unix://, redis+sentinel:// or rediss+sentinel://"
        " (a primary that Sentinels watch), embedded:FOLDER, a server of its own whose data stay in that"
        " folder, or rdb:FILE, an RDB file that any server loads",
        value=Value(metavar="URL"),
        shown=f"`$REDIS_URL`, else `{DEFAULT_URL}`",
        secret=True,
    )
    user: str | None = option(
        default=None,
        help="user name, if the URL has none",
        value=Value(metavar="NAME"),
        shown="the default user",
    )
    password_file: str | None = option(
        default=None,
        help="read the password from the first line of a file, if the URL has none",
        value=Value(metavar="FILE"),
        shown="`$REDISCLI_AUTH`",
    )
    ask_password: bool = option(
        default=False, help="ask for the password on the terminal, if the URL has none"
    )
    tls_insecure: bool = option(
        default=False,
        help="check neither the certificate nor the name of a server with TLS: anybody on the way can read"
        " the password and the data",
    )
    rdb_version: str = option(
        default="10",
        help="the version of an RDB file: 10 for Redis 7.0 and later, and Valkey; 9 for servers from 5.0 on;"
        " 11 for Redis 7.2 and later",
        value=Value(choices=("9", "10", "11")),
        shown="`10`",
        writes=True,
    )
    slots_of: str | None = option(
        default=None,
        help="make an RDB file for each primary of the cluster that this node is of, with the keys of its"
        " slots; {shard} in the file's name is its number",
        value=Value(metavar="URL"),
        shown="one file, or --shards",
        secret=True,
        writes=True,
    )
    aof: bool = option(
        default=False,
        help="make the RDB file the base of an append-only file, for a server (7.0 or later) with appendonly"
        " yes: rdb:FOLDER is the server's folder",
        writes=True,
    )
    allow_eviction: bool = option(
        default=False,
        help="load into a server that deletes keys to make room (maxmemory-policy), whether or not it has"
        " done so at the end",
        writes=True,
    )

    replace_all: bool = option(
        default=False,
        help="with --wire replication: replace the data of a server that has some, in all its databases, and"
        " of its replicas",
        writes=True,
    )
    listen: Parsed[str | None, tuple[str, int] | None] = option(
        default=None,
        help="with --wire replication: the address of this machine that the server connects to",
        value=Value(values.listening, "HOST[:PORT]", text=values.listening_text),
        shown="where this machine is reached from the server, any port",
        writes=True,
    )
    at_least_once: bool = option(
        default=False,
        help="write commands that add up (RPUSH, XADD, INCRBY) without a fence: faster, and also into a whole"
        " cluster, but what was on its way when a connection broke may be there twice",
        writes=True,
    )

    def url(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the URL of the target: ``--to``, else ``$REDIS_URL``, else the local default."""
        return self.to or environment.get("REDIS_URL") or DEFAULT_URL

    def is_rdb_file(self) -> bool:
        """Return True if the target is an RDB file, which is built, or verified by a server that loads it."""
        return self.url().startswith("rdb:")
