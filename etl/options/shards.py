"""Options of a load that is cut into shards, which run anywhere."""

from __future__ import annotations

from typing import Any

from etl.options import values as values
from etl.options.declare import Options, Parsed, Value, option, options_class
from etl.shards import ShardNumber


def shared_path_option() -> Any:
    """Declare ``--shared-path``, which whoever makes a plan has."""
    return option(
        default=False,
        help="the sources' paths on this machine lead to the same files wherever a shard runs",
    )


@options_class
class ShardOptions(Options):
    """Which plan, and which part of it."""

    TITLE = "shard options"

    plan: str | None = option(
        default=None,
        help="run a plan that redis-etl plan --out FILE has written: it names the sources, and what becomes"
        " of their records",
        value=Value(metavar="FILE"),
        shown="none",
    )
    shard: Parsed[ShardNumber | str | None, ShardNumber | None] = option(
        default=None,
        help="run shard I (0 to N-1) of N of the plan; the last one to end completes the job",
        value=Value(values.shard, "I/N", text=str),
        shown="all of it",
    )
    shards: Parsed[int | str | None, int | None] = option(
        default=None,
        help="into how many shards --runner ray cuts the job (--workers is how many run at once), or how many"
        " RDB files are made, each with the keys of as many slots of a cluster",
        value=Value(values.shards, "N"),
        shown="as many as run at once; one file",
    )
    shared_path: bool = shared_path_option()
