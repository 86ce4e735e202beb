"""Every option, declared once.

A field of these dataclasses is an option: its name with dashes is the flag, its metadata carry the help.
The parser, ``etl.load(...)``'s keywords, ``etl.add_arguments`` and the README's table derive from it.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from etl.options import values as values
from etl.options.declare import checked, option
from etl.options.shelves import FORMATS, TYPES
from etl.units import DEFAULT_RECORD_BYTES

DEFAULT_URL = "redis://127.0.0.1:6379/0"

START_METHODS = ("fork", "forkserver", "spawn")
MOST_WORKERS = 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that every verb has. Raises UsageError for a value that cannot be."""

    to: str | None = option(
        None,
        "where the records go: redis://, rediss:// (TLS), unix://, or embedded:FOLDER, a server of its own"
        " whose data stay in that folder",
        metavar="URL",
        shown_default=f"`$REDIS_URL`, else `{DEFAULT_URL}`",
        secret=True,
    )
    user: str | None = option(
        None, "user name, if the URL has none", metavar="NAME", shown_default="the default user"
    )
    password_file: str | None = option(
        None,
        "read the password from the first line of a file, where the URL has none",
        metavar="FILE",
        shown_default="`$REDISCLI_AUTH`",
    )
    ask_password: bool = option(
        False, "ask the terminal for the password, where the URL has none", shown_default="off"
    )
    tls_insecure: bool = option(
        False,
        "check neither the certificate nor the name of a rediss:// server: anybody on the way can read the"
        " password and the data",
        shown_default="off",
    )
    format: str | None = option(
        None,
        "what the sources are",
        choices=FORMATS,
        shown_default="by file name, else `lines`",
    )
    as_: str | None = option(
        None,
        "the Redis type that a record becomes",
        choices=TYPES,
        shown_default="`string` for lines, `hash` for records with fields",
    )
    key: str | None = option(
        None,
        "the key of a record: text with {field} for a field, {#} for the record's number (from 0, through all"
        " files)",
        metavar="TEMPLATE",
        shown_default="`{#}` for lines; required for records with fields",
    )
    value: str | None = option(
        None,
        "what a string, a JSON document or a member of a list, set or zset holds; {line}: the record as it"
        " stands in the file, {json}: as JSON text",
        metavar="TEMPLATE",
        shown_default="whole record",
    )
    pack: int | None = option(
        None,
        "keep strings by number, N to a hash: record k is the field k % N of the key that has k // N in the"
        " place of {#}; for many small values, which take several times the room as keys of their own",
        metavar="N",
        parse=values.pack,
        shown_default="off: a key each",
    )
    score: str = option(
        "{score}", "the score of a zset's member", metavar="TEMPLATE", shown_default="`{score}`"
    )
    command: tuple[str, ...] = option(
        (),
        "one Redis command a record, instead of --as; may be given again for several. {*} stands for all"
        " fields and values, {x[]} for the members of the array x; quoted as in a shell",
        metavar="TEMPLATE",
        many=True,
        shown_default="none",
    )
    include: str | None = option(
        None, "the fields that {*} and {json} hold", metavar="A,B", parse=values.names, shown_default="all"
    )
    exclude: str | None = option(
        None, "fields that {*} and {json} leave out", metavar="A,B", parse=values.names, shown_default="none"
    )
    rename: tuple[str, ...] = option(
        (),
        "give a field another name; may be given again",
        metavar="OLD=NEW",
        parse=values.renaming,
        many=True,
        shown_default="none",
    )
    flatten: bool = option(
        False, 'spread nested objects: {"a": {"b": 1}} has the field a.b', shown_default="off"
    )
    omit_empty: bool = option(False, "leave out fields whose text is empty", shown_default="off")
    vectors: str = option(
        "raw",
        "fixed-size lists of numbers as little-endian float32 bytes, or as JSON text",
        choices=("raw", "text"),
        shown_default="`raw`",
    )
    fields: str | None = option(
        None,
        "names of a CSV file's fields, which then has no header",
        metavar="A,B",
        parse=values.names,
        shown_default="the header",
    )
    no_header: bool = option(
        False, "a CSV file has no header: its fields are called 1, 2, 3 ...", shown_default="off"
    )
    delimiter: str | None = option(
        None,
        "what stands between a CSV file's fields",
        metavar="CHAR",
        parse=values.character,
        shown_default="`,`; for tsv a tab",
    )
    quote: str = option(
        '"',
        "CSV quote character; empty disables quoting",
        metavar="CHAR",
        parse=values.quote,
        shown_default='`"`',
    )
    sql: str | None = option(
        None,
        "load the rows of a query: DuckDB runs it (over files: FROM 'events/*.parquet'), or --database does",
        metavar="QUERY",
        shown_default="none",
    )
    database: str | None = option(
        None,
        "the database of --sql: postgresql://HOST/NAME, sqlite:PATH or duckdb:PATH",
        metavar="URI",
        shown_default="DuckDB",
        secret=True,
    )
    if_exists: str | None = option(
        None,
        "what happens to a key that is there: replace it, merge the record into it, skip the record, or fail",
        choices=("replace", "merge", "skip", "fail"),
        shown_default="`replace`",
    )
    strip: bool = option(False, "take white space off both ends of each line", shown_default="off")
    max_record: int = option(
        DEFAULT_RECORD_BYTES,
        "how long a record may be, as it is read, with its line break: at most 512MiB. A longer one is"
        " rejected; where its end cannot be told (an open quote, a JSON array's element) the run ends",
        metavar="SIZE",
        parse=values.record_bytes,
        shown_default="64MB",
    )
    workers: int | None = option(
        None,
        "number of worker processes",
        metavar="N",
        parse=values.whole_number,
        shown_default=f"number of cores, at most {MOST_WORKERS}; fewer for small inputs",
    )
    split: str = option(
        "block",
        "what is counted modulo N: blocks of whole records, or single records",
        choices=("block", "record"),
        shown_default="`block`",
    )
    max_rejects: str = option(
        "0",
        "how many records may be refused before the run stops, in records or percent",
        metavar="N|N%",
        parse=values.budget,
        shown_default="`0`",
    )
    rejects: str | None = option(
        None,
        "the file where refused records go, one JSON object a line, when there are any",
        metavar="FILE",
        shown_default="`rejects-<job>.jsonl`",
    )
    progress: str = option(
        "auto",
        "what stderr shows meanwhile: a bar, a log line every few seconds, nothing; auto: a bar on a"
        " terminal, else log",
        choices=("auto", "bar", "log", "none"),
        shown_default="`auto`",
    )
    retry_for: float = option(
        120.0,
        "how long to try again while the server is away or refuses for now",
        metavar="TIME",
        parse=values.duration,
        shown_default="120",
    )
    start_method: str | None = option(
        None,
        "how worker processes are started",
        choices=START_METHODS,
        shown_default="`forkserver`; `spawn` where there is none",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))

    def url(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the URL of the target: ``--to``, else ``$REDIS_URL``, else the local default."""
        return self.to or environment.get("REDIS_URL") or DEFAULT_URL

    def names(self, option: str) -> tuple[str, ...] | None:
        """Return the names in an option that is a list of them, or None where it was not given."""
        text = getattr(self, option)
        return None if text is None else tuple(text.split(","))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions(Options):
    """Options of ``load``."""

    wire: str = option(
        "auto",
        "how hashes and packed strings travel: as HSET, or finished as RESTORE, cheaper for the server and"
        " more compact; auto: RESTORE where the server takes it",
        choices=("auto", "hset", "restore"),
        shown_default="`auto`",
    )
    ttl: str | None = option(
        None,
        "let the keys expire after a time: 30 (seconds), 1.5, 90m, 1h, 7d, or a template that gives one",
        metavar="TIME|TEMPLATE",
        parse=values.ttl,
        shown_default="none",
    )
    expire_at: str | None = option(
        None,
        "let the keys expire at a time: ISO 8601 (2030-01-31T12:00:00Z; without a zone it is UTC), seconds"
        " since 1970, or a template that gives one",
        metavar="TIME|TEMPLATE",
        parse=values.instant,
        shown_default="none",
    )
    allow_eviction: bool = option(
        False,
        "load into a server that deletes keys to make room (maxmemory-policy), whether or not it has done so"
        " at the end",
        shown_default="off",
    )

    job: str | None = option(
        None,
        "name of the job: resumes an interrupted run; one run per name at a time",
        metavar="NAME",
        parse=values.job_name,
        shown_default="derived from source, target and template",
    )
    restart: bool = option(
        False,
        "forget what an earlier run of the job has done, and load from the beginning",
        shown_default="off",
    )
    skip_unchanged: bool = option(
        False,
        "do nothing where the job is complete and neither sources nor options have changed; as long as its"
        " record is kept (--keep-record)",
        shown_default="off",
    )
    keep_record: str = option(
        "30d",
        "how long the record of a finished job stays in the target, in seconds or as in 90m, 12h, 30d:"
        " so long a repeated command whose records would add up (INCRBY, RPUSH, XADD, ...) loads nothing",
        metavar="TIME",
        parse=values.keeping,
        shown_default="`30d`",
    )
    wait_lock: float = option(
        0.0,
        "how long to wait for another run of the same job to end",
        metavar="TIME",
        parse=values.duration,
        shown_default="0",
    )
    stall: float = option(
        300.0,
        "kill a worker without progress for so long and resume from its checkpoint; 0: never",
        metavar="TIME",
        parse=values.duration,
        shown_default="300",
    )
    max_rate: str | None = option(
        None,
        "send at most so many records a second, or bytes (50MB), over all workers",
        metavar="N|NMB",
        parse=values.rate,
        shown_default="none",
    )
    wait_replicas: int = option(
        0,
        "have so many replicas acknowledge the data of a block before it counts as done (WAIT)",
        metavar="N",
        parse=values.count,
        shown_default="0",
    )


RUN_OPTIONS = frozenset(
    {
        "to",
        "user",
        "password_file",
        "ask_password",
        "tls_insecure",
        "allow_eviction",
        "workers",
        "split",
        "max_rejects",
        "rejects",
        "progress",
        "start_method",
        "retry_for",
        "wire",
        "job",
        "restart",
        "skip_unchanged",
        "keep_record",
        "wait_lock",
        "stall",
        "max_rate",
        "wait_replicas",
    }
)
"""Options that say how records are loaded, not what becomes of them: a run may go on with others."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(LoadOptions):
    """Options of ``verify``: all of ``load``, so that a command line is verified by changing one word.

    Those in ONLY_WRITING have no effect; an expiry only refuses the records that the load refused for it.
    """

    differences: str | None = option(
        None,
        "verify only: the file where all differences go, one JSON object a line; it is overwritten",
        metavar="FILE",
        shown_default="none; a few are shown",
    )


ONLY_WRITING = frozenset(
    {
        "rejects",
        "wire",
        "allow_eviction",
        "restart",
        "skip_unchanged",
        "keep_record",
        "wait_lock",
        "wait_replicas",
    }
)
"""Options of ``load`` that ``verify`` accepts without effect."""


Function = TypeVar("Function", bound=Callable[..., Any])


def shows_options(kind: type[Options]) -> Callable[[Function], Function]:
    """Return a decorator that adds the options of ``kind`` to a function's signature and docstring.

    The function takes ``*sources`` and ``options``, and the options as keywords: ``help()`` shows them.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function).parameters
        parameters = [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            for field in dataclasses.fields(kind)
        ]
        parameters = [own["sources"], own["options"], *parameters]
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        lines = [
            f"    {field.name}: {field.metadata['help']} (default: {_plain_default(field)})"
            for field in dataclasses.fields(kind)
        ]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines, ""])
        return function

    return decorate


def _plain_default(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata["shown_default"]).replace("`", "")
