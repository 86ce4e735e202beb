"""Every option, declared once.

A field of these dataclasses is an option: its name with dashes is the flag, its metadata carry the help.
The parser, ``etl.load(...)``'s keywords, ``etl.add_arguments`` and the README's table derive from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from etl.errors import UsageError
from etl.options import values as values
from etl.units import DEFAULT_RECORD_BYTES

DEFAULT_URL = "redis://127.0.0.1:6379/0"

START_METHODS = ("fork", "forkserver", "spawn")
FORMATS = ("lines", "csv", "tsv", "jsonl", "json", "parquet", "arrow")
TYPES = ("string", "hash", "json", "list", "set", "zset", "stream")
MOST_WORKERS = 8


def _option(
    default: Any,
    help: str,
    *,
    metavar: str | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[Any], Any] = values.as_text,
    many: bool = False,
    shown_default: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare an option.

    ``parse`` turns the command line's text into the value, or raises ValueError; of an option that may be
    given ``many`` times it is given each text, and the value is the tuple of what it gives.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "choices": choices,
        "parse": parse,
        "many": many,
        "shown_default": shown_default if shown_default is not None else str(default),
    }
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that every verb has. Raises UsageError for a value that cannot be."""

    to: str | None = _option(
        None,
        "where the records go: redis://, rediss:// (TLS), unix://, or embedded:FOLDER, a server of its own"
        " whose data stay in that folder",
        metavar="URL",
        shown_default=f"`$REDIS_URL`, else `{DEFAULT_URL}`",
        secret=True,
    )
    user: str | None = _option(
        None, "who connects, where the URL names nobody", metavar="NAME", shown_default="the default user"
    )
    password_file: str | None = _option(
        None,
        "read the password from the first line of a file, where the URL has none",
        metavar="FILE",
        shown_default="`$REDISCLI_AUTH`",
    )
    ask_password: bool = _option(
        False, "ask the terminal for the password, where the URL has none", shown_default="off"
    )
    tls_insecure: bool = _option(
        False,
        "check neither the certificate nor the name of a rediss:// server: anybody on the way can read the"
        " password and the data",
        shown_default="off",
    )
    format: str | None = _option(
        None,
        "what the sources are",
        choices=FORMATS,
        shown_default="by file name, else `lines`",
    )
    as_: str | None = _option(
        None,
        "the Redis type that a record becomes",
        choices=TYPES,
        shown_default="`string` for lines, `hash` for records with fields",
    )
    key: str | None = _option(
        None,
        "the key of a record: text with {field} for a field, {#} for the record's number (from 0, through all"
        " files)",
        metavar="TEMPLATE",
        shown_default="`{#}` for lines; required for records with fields",
    )
    value: str | None = _option(
        None,
        "what a string, a JSON document or a member of a list, set or zset holds; {line}: the record as it"
        " stands in the file, {json}: as JSON text",
        metavar="TEMPLATE",
        shown_default="whole record",
    )
    pack: int | None = _option(
        None,
        "keep strings by number, N to a hash: record k is the field k % N of the key that has k // N in the"
        " place of {#}; for many small values, which take several times the room as keys of their own",
        metavar="N",
        parse=values.pack,
        shown_default="off: a key each",
    )
    score: str = _option(
        "{score}", "the score of a zset's member", metavar="TEMPLATE", shown_default="`{score}`"
    )
    command: tuple[str, ...] = _option(
        (),
        "one Redis command a record, instead of --as; may be given again for several. {*} stands for all"
        " fields and values, {x[]} for the members of the array x; quoted as in a shell",
        metavar="TEMPLATE",
        many=True,
        shown_default="none",
    )
    include: str | None = _option(
        None, "the fields that {*} and {json} hold", metavar="A,B", parse=values.names, shown_default="all"
    )
    exclude: str | None = _option(
        None, "fields that {*} and {json} leave out", metavar="A,B", parse=values.names, shown_default="none"
    )
    rename: tuple[str, ...] = _option(
        (),
        "give a field another name; may be given again",
        metavar="OLD=NEW",
        parse=values.renaming,
        many=True,
        shown_default="none",
    )
    flatten: bool = _option(
        False, 'spread nested objects: {"a": {"b": 1}} has the field a.b', shown_default="off"
    )
    omit_empty: bool = _option(False, "leave out fields whose text is empty", shown_default="off")
    vectors: str = _option(
        "raw",
        "fixed-size lists of numbers as little-endian float32 bytes, or as JSON text",
        choices=("raw", "text"),
        shown_default="`raw`",
    )
    fields: str | None = _option(
        None,
        "names of a CSV file's fields, which then has no header",
        metavar="A,B",
        parse=values.names,
        shown_default="the header",
    )
    no_header: bool = _option(
        False, "a CSV file has no header: its fields are called 1, 2, 3 ...", shown_default="off"
    )
    delimiter: str | None = _option(
        None,
        "what stands between a CSV file's fields",
        metavar="CHAR",
        parse=values.character,
        shown_default="`,`; for tsv a tab",
    )
    quote: str = _option(
        '"',
        "what stands around a CSV file's fields; empty: nothing does",
        metavar="CHAR",
        parse=values.quote,
        shown_default='`"`',
    )
    sql: str | None = _option(
        None,
        "load the rows of a query: DuckDB runs it (over files: FROM 'events/*.parquet'), or --database does",
        metavar="QUERY",
        shown_default="none",
    )
    database: str | None = _option(
        None,
        "the database of --sql: postgresql://HOST/NAME, sqlite:PATH or duckdb:PATH",
        metavar="URI",
        shown_default="DuckDB",
        secret=True,
    )
    if_exists: str | None = _option(
        None,
        "what happens to a key that is there: replace it, merge the record into it, skip the record, or fail",
        choices=("replace", "merge", "skip", "fail"),
        shown_default="`replace`",
    )
    strip: bool = _option(False, "take white space off both ends of each line", shown_default="off")
    max_record: int = _option(
        DEFAULT_RECORD_BYTES,
        "how long a record may be, as it is read, with its line break: at most 512MiB. A longer one is"
        " rejected; where its end cannot be told (an open quote, a JSON array's element) the run ends",
        metavar="SIZE",
        parse=values.record_bytes,
        shown_default="64MB",
    )
    workers: int | None = _option(
        None,
        "number of worker processes",
        metavar="N",
        parse=values.whole_number,
        shown_default=f"number of cores, at most {MOST_WORKERS}; fewer for small inputs",
    )
    split: str = _option(
        "block",
        "what is counted modulo N: blocks of whole records, or single records",
        choices=("block", "record"),
        shown_default="`block`",
    )
    max_rejects: str = _option(
        "0",
        "how many records may be refused before the run stops, in records or percent",
        metavar="N|N%",
        parse=values.budget,
        shown_default="`0`",
    )
    rejects: str | None = _option(
        None,
        "the file where refused records go, one JSON object a line, when there are any",
        metavar="FILE",
        shown_default="`rejects-<job>.jsonl`",
    )
    progress: str = _option(
        "auto",
        "what stderr shows meanwhile: a bar, a log line every few seconds, nothing; auto: a bar on a"
        " terminal, else log",
        choices=("auto", "bar", "log", "none"),
        shown_default="`auto`",
    )
    retry_for: float = _option(
        120.0,
        "how long to try again while the server is away or refuses for now",
        metavar="TIME",
        parse=values.duration,
        shown_default="120",
    )
    start_method: str | None = _option(
        None,
        "how worker processes are started",
        choices=START_METHODS,
        shown_default="`forkserver`; `spawn` where there is none",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    def url(self, environment: Mapping[str, str] = os.environ) -> str:
        """Give the URL of the target: ``--to``, else ``$REDIS_URL``, else the local default."""
        return self.to or environment.get("REDIS_URL") or DEFAULT_URL

    def names(self, option: str) -> tuple[str, ...] | None:
        """Give the names in an option that is a list of them, or None where it was not given."""
        text = getattr(self, option)
        return None if text is None else tuple(text.split(","))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions(Options):
    """Options of ``load``."""

    wire: str = _option(
        "auto",
        "how hashes and packed strings travel: as HSET, or finished as RESTORE, cheaper for the server and"
        " more compact; auto: RESTORE where the server takes it",
        choices=("auto", "hset", "restore"),
        shown_default="`auto`",
    )
    ttl: str | None = _option(
        None,
        "let the keys expire after a time: 30 (seconds), 1.5, 90m, 1h, 7d, or a template that gives one",
        metavar="TIME|TEMPLATE",
        parse=values.ttl,
        shown_default="none",
    )
    expire_at: str | None = _option(
        None,
        "let the keys expire at a time: ISO 8601 (2030-01-31T12:00:00Z; without a zone it is UTC), seconds"
        " since 1970, or a template that gives one",
        metavar="TIME|TEMPLATE",
        parse=values.instant,
        shown_default="none",
    )
    allow_eviction: bool = _option(
        False,
        "load into a server that deletes keys to make room (maxmemory-policy), whether or not it has done so"
        " at the end",
        shown_default="off",
    )

    job: str | None = _option(
        None,
        "the name under which the run can be gone on with, and of which one runs at a time",
        metavar="NAME",
        parse=values.job_name,
        shown_default="derived from source, target and template",
    )
    restart: bool = _option(
        False,
        "forget what an earlier run of the job has done, and load from the beginning",
        shown_default="off",
    )
    skip_unchanged: bool = _option(
        False,
        "do nothing where the job is complete and neither sources nor options have changed; as long as its"
        " record is kept (--keep-record)",
        shown_default="off",
    )
    keep_record: str = _option(
        "30d",
        "how long the record of a finished job stays in the target, in seconds or as in 90m, 12h, 30d:"
        " so long a repeated command whose records would add up (INCRBY, RPUSH, XADD, ...) loads nothing",
        metavar="TIME",
        parse=values.keeping,
        shown_default="`30d`",
    )
    wait_lock: float = _option(
        0.0,
        "how long to wait for another run of the same job to end",
        metavar="TIME",
        parse=values.duration,
        shown_default="0",
    )
    stall: float = _option(
        300.0,
        "end a worker that makes no progress for so long, and go on from its mark; 0: never",
        metavar="TIME",
        parse=values.duration,
        shown_default="300",
    )
    max_rate: str | None = _option(
        None,
        "send at most so many records a second, or bytes (50MB), over all workers",
        metavar="N|NMB",
        parse=values.rate,
        shown_default="none",
    )
    wait_replicas: int = _option(
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

    differences: str | None = _option(
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


AnyOptions = TypeVar("AnyOptions", bound=Options)


def flag(field: dataclasses.Field[Any]) -> str:
    """Give an option's flag: ``--if-exists`` for ``if_exists``, ``--as`` for ``as_``."""
    return "--" + field.name.rstrip("_").replace("_", "-")


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    meta = field.metadata
    if meta["shown_default"] == "off":
        if not isinstance(value, bool):
            raise UsageError(f"{field.name} must be True or False, not {value!r}")
        return value
    if value is None:
        if field.default is not None:
            raise UsageError(f"{flag(field)} needs a value")
        return None
    if meta["choices"] and value not in meta["choices"]:
        raise UsageError(_not_a_choice(field, value))
    try:
        if meta["many"]:
            parsed = []
            for value in _several(value):  # noqa: B020 - the message below is about this one
                parsed.append(meta["parse"](value))
            return tuple(parsed)
        return meta["parse"](value)
    except (TypeError, ValueError, OverflowError) as error:
        shown = f", not {_shortened(value)}" if field.repr else ""
        raise UsageError(f"{flag(field)} {error}{shown}") from None


def _several(value: Any) -> Iterable[Any]:
    """Return the texts of an option that may be given many times: one, several, or pairs as a mapping."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(f"{old}={new}" for old, new in value.items())
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise TypeError("must be text (str), or a list of texts")
    return value


def _shortened(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _not_a_choice(field: dataclasses.Field[Any], value: Any) -> str:
    choices = field.metadata["choices"]
    close = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{flag(field)} must be one of {', '.join(choices)}, not {_shortened(value)}{hint}"


def add_options(parser: argparse._ActionsContainer, kind: type[Options]) -> None:
    """Add the options of ``kind`` to a parser or to a group of one."""
    for field in dataclasses.fields(kind):
        meta = field.metadata
        keywords: dict[str, Any] = {"default": field.default, "help": meta["help"].replace("%", "%%")}
        if field.type in ("bool", bool):
            keywords["action"] = "store_true"
        else:
            # What is none of the choices is refused with the other values: it names the nearest one.
            keywords["metavar"] = meta["metavar"] or "|".join(meta["choices"])
            if meta["many"]:
                keywords["action"] = "append"
                keywords["default"] = None
        keywords["help"] += f" (default: {meta['shown_default'].replace('`', '').replace('%', '%%')})"
        if kind is VerifyOptions and field.name in ONLY_WRITING:
            keywords["help"] = "no effect: verify only reads"
        parser.add_argument(flag(field), dest=field.name, **keywords)


def from_namespace(namespace: argparse.Namespace, kind: type[AnyOptions]) -> AnyOptions:
    """Make options of what a parser with ``add_options`` has parsed. Raises UsageError."""
    names = [field.name for field in dataclasses.fields(kind)]
    given = {name: getattr(namespace, name) for name in names}
    # An option that was not given many times is None to argparse: appending to a default would change it.
    return kind(**{name: value for name, value in given.items() if value is not None})


def merged(kind: type[AnyOptions], options: AnyOptions | None, changes: Mapping[str, Any]) -> AnyOptions:
    """Give ``options`` (default: all defaults) with ``changes`` made. Raises UsageError for unknown names."""
    known = {field.name for field in dataclasses.fields(kind)}
    for name in changes:
        if name not in known:
            close = difflib.get_close_matches(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(known))}"
            raise UsageError(f"there is no option {name!r}; {hint}")
    if options is None:
        return kind(**changes)
    return dataclasses.replace(options, **changes)


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


def markdown_table(kind: type[Options]) -> str:
    """Write the options of ``kind`` as the README's table."""
    rows = ["| option | meaning | default |", "|---|---|---|"]
    for field in dataclasses.fields(kind):
        meta = field.metadata
        value = (meta["metavar"] or "|".join(meta["choices"])).replace("|", "\\|")
        name = f"`{flag(field)}{' ' + value if value else ''}`"
        rows.append(f"| {name} | {meta['help']} | {meta['shown_default']} |")
    return "\n".join(rows)
