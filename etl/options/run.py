"""Options of the run: how the records are loaded, not what becomes of them.

A job may be resumed with others: see ``etl/options/identity.py``.
"""

from __future__ import annotations

from datetime import timedelta

from etl.options import values as values
from etl.options.declare import Options, Parsed, Value, option, options_class
from etl.options.shelves import RUNNERS
from etl.rate import Rate
from etl.report import RejectLimit

START_METHODS = ("fork", "forkserver", "spawn")
MAX_WORKERS = 8

Seconds = Parsed[float | str | timedelta, float]

_DURATION = Value(values.duration, "TIME")


@options_class
class RunOptions(Options):
    """How many workers, how fast, which job, and what is shown meanwhile."""

    TITLE = "run options"

    workers: Parsed[int | str | None, int | None] = option(
        default=None,
        help="number of worker processes",
        value=Value(values.whole_number, "N"),
        shown=f"number of cores, at most {MAX_WORKERS}; fewer for small inputs",
    )
    runner: str | None = option(
        default=None,
        help="who runs the workers: the calling process (inline: one worker), a process for each"
        " (processes), or the machines of a Ray cluster, $RAY_ADDRESS (ray)",
        value=Value(choices=RUNNERS),
        shown="`inline` where one worker has something to do, else `processes`",
    )
    split: str = option(
        default="block",
        help="what is counted modulo N: blocks of whole records, or single records",
        value=Value(choices=("block", "record")),
        shown="`block`",
    )
    wire: str = option(
        default="auto",
        help="how hashes and packed strings travel: as HSET, or finished as RESTORE, cheaper for the server"
        " and more compact; auto: RESTORE where the server takes it. replication: everything that the server"
        " has is replaced by the load, in one step at its end, and it answers reads from the old data until"
        " then",
        value=Value(choices=("auto", "hset", "restore", "replication")),
        shown="`auto`",
        writes=True,
    )
    max_rate: Parsed[Rate | str | int | None, Rate | None] = option(
        default=None,
        help="send at most so many records a second, or bytes (50MB), over all workers",
        value=Value(values.rate, "N|NMB", text=str),
        shown="none",
    )
    memory: Parsed[int | str, int] = option(
        default=256_000_000,
        help="how much memory it may take to find keys that occur more than once, where each can be written"
        " once only (--to rdb:FILE, --wire replication); more is kept on disk meanwhile",
        value=Value(values.memory_bytes, "SIZE"),
        shown="256MB",
        writes=True,
    )
    max_rejects: Parsed[RejectLimit | str | int, RejectLimit] = option(
        default=RejectLimit(count=0),
        help="how many records may be refused before the run stops, in records or percent",
        value=Value(values.reject_limit, "N|N%", text=values.reject_limit_text),
        shown="`0`",
    )
    rejects: str | None = option(
        default=None,
        help="the file where refused records go, one JSON object a line, when there are any",
        value=Value(metavar="FILE"),
        shown="`rejects-<job>.jsonl`",
        writes=True,
    )
    job: str | None = option(
        default=None,
        help="name of the job: resumes an interrupted run; one run per name at a time",
        value=Value(values.job_name, "NAME"),
        shown="derived from source, target and template",
    )
    restart: bool = option(
        default=False,
        help="forget what an earlier run of the job has done, and load from the beginning",
        writes=True,
    )
    skip_unchanged: bool = option(
        default=False,
        help="do nothing where the job is complete and neither sources nor options have changed; as long as"
        " its record is kept (--keep-record)",
        writes=True,
    )
    keep_record: Seconds = option(
        default=30 * 86_400.0,
        help="how long the record of a finished job stays in the target, in seconds or as in 90m, 12h, 30d:"
        " so long a repeated command whose records would add up (INCRBY, RPUSH, XADD, ...) loads nothing",
        value=Value(values.keeping, "TIME"),
        shown="`30d`",
        writes=True,
    )
    wait_lock: Seconds = option(
        default=0.0,
        help="how long to wait for another run of the same job to end",
        value=_DURATION,
        shown="0",
        writes=True,
    )
    retry_for: Seconds = option(
        default=120.0,
        help="how long to try again while the server is away or refuses for now",
        value=_DURATION,
        shown="120",
    )
    stall: Seconds = option(
        default=300.0,
        help="kill a worker without progress for so long and resume from its checkpoint; 0: never",
        value=_DURATION,
        shown="300",
    )
    wait_replicas: Parsed[int | str, int] = option(
        default=0,
        help="have so many replicas acknowledge the data of a block before it counts as done (WAIT)",
        value=Value(values.count, "N"),
        shown="0",
        writes=True,
    )
    progress: str = option(
        default="auto",
        help="what stderr shows meanwhile: a bar, a log line every few seconds, nothing; auto: a bar on a"
        " terminal, else log",
        value=Value(choices=("auto", "bar", "log", "none")),
        shown="`auto`",
    )
    start_method: str | None = option(
        default=None,
        help="how worker processes are started",
        value=Value(choices=START_METHODS),
        shown="`forkserver`; `spawn` where there is none",
    )
