"""Every option, declared once.

A field of these dataclasses is an option: its name with dashes is the flag, its metadata carry the help.
The parser, ``etl.load(...)``'s keywords, ``etl.add_arguments`` and the README's table derive from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import operator
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from etl.errors import UsageError

DEFAULT_URL = "redis://127.0.0.1:6379/0"

START_METHODS = ("fork", "forkserver", "spawn")
MOST_WORKERS = 8


def _text(value: Any) -> str:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError("must be text (str), not bytes")
    return text


def _option(
    default: Any,
    help: str,
    *,
    metavar: str | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[Any], Any] = _text,
    shown_default: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare an option. ``parse`` turns the command line's text into the value, or raises ValueError.

    A ``secret`` one stays out of every ``repr``.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "choices": choices,
        "parse": parse,
        "shown_default": shown_default if shown_default is not None else str(default),
    }
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("must be a whole number")
    number = int(value) if isinstance(value, str) else operator.index(value)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def _duration(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("must be a number of seconds")
    seconds = float(value)
    if not 0.001 <= seconds <= 1e11:
        raise ValueError("must be at least 0.001 and at most 100,000,000,000 seconds")
    return seconds


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that every verb has. Raises UsageError for a value that cannot be."""

    to: str | None = _option(
        None,
        "where the records go: redis://, rediss:// (TLS), unix://, or embedded:FOLDER, a server of its own"
        " whose data stay in that folder",
        metavar="URL",
        secret=True,
        shown_default=f"`$REDIS_URL`, else `{DEFAULT_URL}`",
    )
    key: str = _option(
        "{#}",
        "the key of a record: text with {#} for the record's number (from 0, through all files) and {line}"
        " for the line",
        metavar="TEMPLATE",
        shown_default="`{#}`",
    )
    strip: bool = _option(False, "take white space off both ends of each line", shown_default="off")
    workers: int | None = _option(
        None,
        "number of worker processes",
        metavar="N",
        parse=_whole_number,
        shown_default=f"number of cores, at most {MOST_WORKERS}; fewer for small inputs",
    )
    split: str = _option(
        "block",
        "what is counted modulo N: blocks of whole records, or single records",
        choices=("block", "record"),
        shown_default="`block`",
    )
    progress: str = _option(
        "auto",
        "what stderr shows meanwhile: a bar, a log line every few seconds, nothing; auto: a bar on a"
        " terminal, else log",
        choices=("auto", "bar", "log", "none"),
        shown_default="`auto`",
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions(Options):
    """Options of ``load``."""

    ttl: float | None = _option(
        None,
        "let the keys expire after so many seconds",
        metavar="SECONDS",
        parse=_duration,
        shown_default="none",
    )
    if_exists: str = _option(
        "replace",
        "what happens to a key that is there: replace it, skip the record, or fail the run",
        choices=("replace", "skip", "fail"),
        shown_default="`replace`",
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(Options):
    """Options of ``verify``."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def flag(field: dataclasses.Field[Any]) -> str:
    """Give an option's flag: ``--if-exists`` for ``if_exists``."""
    return "--" + field.name.replace("_", "-")


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    meta = field.metadata
    if meta["shown_default"] == "off":
        if not isinstance(value, bool):
            raise UsageError(f"{field.name} is True or False, not {value!r}")
        return value
    if value is None:
        if field.default is not None:
            raise UsageError(f"{flag(field)} needs a value")
        return None
    if meta["choices"] and value not in meta["choices"]:
        raise UsageError(f"{flag(field)} is one of {', '.join(meta['choices'])}, not {value!r}")
    try:
        return meta["parse"](value)
    except (TypeError, ValueError, OverflowError) as error:
        shown = repr(value) if field.repr else "is wrong"
        raise UsageError(f"{flag(field)} {shown}: {error}") from None


def add_options(parser: argparse._ActionsContainer, kind: type[Options]) -> None:
    """Add the options of ``kind`` to a parser or to a group of one."""
    for field in dataclasses.fields(kind):
        meta = field.metadata
        keywords: dict[str, Any] = {"default": field.default, "help": meta["help"].replace("%", "%%")}
        if field.type in ("bool", bool):
            keywords["action"] = "store_true"
        else:
            keywords["metavar"] = meta["metavar"]
            keywords["choices"] = meta["choices"] or None
        keywords["help"] += f" (default: {meta['shown_default'].replace('`', '').replace('%', '%%')})"
        parser.add_argument(flag(field), dest=field.name, **keywords)


def from_namespace(namespace: argparse.Namespace, kind: type[AnyOptions]) -> AnyOptions:
    """Make options of what a parser with ``add_options`` has parsed. Raises UsageError."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: getattr(namespace, name) for name in names})


def merged(kind: type[AnyOptions], options: AnyOptions | None, changes: Mapping[str, Any]) -> AnyOptions:
    """Give ``options`` (default: all defaults) with ``changes`` made. Raises UsageError for unknown names."""
    known = {field.name for field in dataclasses.fields(kind)}
    for name in changes:
        if name not in known:
            raise UsageError(f"there is no option {name!r}; there are {', '.join(sorted(known))}")
    if options is None:
        return kind(**changes)
    return dataclasses.replace(options, **changes)


def markdown_table(kind: type[Options]) -> str:
    """Write the options of ``kind`` as the README's table."""
    rows = ["| option | meaning | default |", "|---|---|---|"]
    for field in dataclasses.fields(kind):
        meta = field.metadata
        value = meta["metavar"] or "\\|".join(meta["choices"])
        name = f"`{flag(field)}{' ' + value if value else ''}`"
        rows.append(f"| {name} | {meta['help']} | {meta['shown_default']} |")
    return "\n".join(rows)
