"""Where each option has an effect: elsewhere it is refused, because to ignore it would hide a mistake.

Two things decide: the format of the source, and what a record becomes (``--as``, ``--command``). An option
that has its default value is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from etl.errors import UsageError
from etl.options.declare import flag_of
from etl.options.shelves import FORMATS, TYPES
from etl.units import listed

if TYPE_CHECKING:
    from etl.options.declare import Options
    from etl.options.verbs import LoadOptions

REPLICATION = "replication"
"""The ``--wire`` that replaces all that a server has."""

QUERY = "a query"
OBJECT = "a Python object"
COMMAND = "--command"

OF_TABLES = ("flatten", "omit_empty", "vectors")
"""Options that queries, Python objects and most formats of tables have."""

OF_FORMATS = frozenset(
    {
        "format",
        "fields",
        "no_header",
        "delimiter",
        "quote",
        "strip",
        "flatten",
        "omit_empty",
        "vectors",
        "database",
    }
)
"""Options that are for some sources: a format names its own (``OPTIONS`` in its file on the shelf)."""

OF_EVERY_TYPE = ("as_", "key", "if_exists", "ttl", "expire_at")
"""Options that every type (``--as``) has, and ``--command`` does not."""

OF_SOME_TYPES = ("value", "score", "pack", "wire")
"""Options that a type has if it says so: ``RedisType`` in ``etl/encode/mapping.py``."""


def given(options: Options, name: str) -> bool:
    """Return True if an option has another value than its default."""
    fields = {field.name: field.default for field in dataclasses.fields(options)}
    return name in fields and getattr(options, name) != fields[name]


def given_of_others(options: Options, chosen: ModuleType, members: Iterable[ModuleType]) -> list[str]:
    """Return the options that were given and that other members of a shelf have, and ``chosen`` does not."""
    others = {name for member in members for name in member.OPTIONS}.difference(chosen.OPTIONS)
    return sorted(name for name in others if given(options, name))


def refuse_for_format(options: Options, format: str, own: Collection[str]) -> None:
    """Refuse options that have no effect on a source of this format, which has ``own`` ones.

    ``format`` is the name of one, or OBJECT or QUERY. Raises UsageError.
    """
    is_file = format not in (OBJECT, QUERY)
    what = f"a source read as {format}" if is_file else format
    for name in sorted(name for name in OF_FORMATS.difference(own) if given(options, name)):
        if name == "database":
            raise UsageError("--database has no effect without --sql")
        if name != "format":
            raise UsageError(f"{flag_of(name)} has no effect on {what}: {_where(name, format)}")
        if not is_file:
            raise UsageError(f"--format has no effect on {what}: it is for files and streams")


def _where(name: str, format: str) -> str:
    """Return which formats an option is for, and what to type where a file was taken for lines."""
    formats = [other for other, member in FORMATS.members() if name in member.OPTIONS]
    sources = [QUERY, OBJECT] if name in OF_TABLES else []
    one = f"one, say --format {formats[0]}" if len(formats) < 3 else "one of these, say which with --format"
    hint = f"; if it is {one}" if format == "lines" and not sources else ""
    return f"it is for {listed([*formats, *sources])}{hint}"


def refuse_for_kind(options: LoadOptions, kind: str) -> None:
    """Refuse options that have no effect on records that become ``kind`` (or COMMAND). Raises UsageError."""
    names = [name for name in (*OF_EVERY_TYPE, *OF_SOME_TYPES) if given(options, name)]
    if options.wire == REPLICATION:
        names = [
            name for name in names if name != "wire"
        ]  # every type can be replicated, if it can be at all
    if kind == COMMAND:
        for name in names:
            raise UsageError(f"{flag_of(name)} has no effect with --command: put it into the command itself")
        return
    type = TYPES.member(kind).TYPE
    for name in names:
        if name in OF_EVERY_TYPE or (name in type.options and _has_effect(options, type, name)):
            continue
        what = f"--as {kind}" + ("" if options.as_ else ", the default here")
        raise UsageError(f"{flag_of(name)} has no effect with {what}: it is for --as {_types_with(name)}")


def _has_effect(options: Options, type: Any, name: str) -> bool:
    other = type.requires.get(name)
    return other is None or given(options, other)


def _types_with(name: str) -> str:
    types = [(kind, module.TYPE) for kind, module in TYPES.members() if name in module.TYPE.options]
    return listed([kind + _condition(type.requires.get(name)) for kind, type in types])


def _condition(other: str | None) -> str:
    return "" if other is None else f" with {flag_of(other)}"
