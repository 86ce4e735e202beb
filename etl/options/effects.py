"""Where each option has an effect: elsewhere it is refused, because to ignore it would hide a mistake.

Two things decide: the format of the source, and what a record becomes (``--as``, ``--command``). An option
that has its default value is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from etl.errors import UsageError
from etl.options.shelves import TYPES

if TYPE_CHECKING:
    from etl.options.declare import Options
    from etl.options.verbs import LoadOptions

QUERY = "a query"
OBJECT = "a Python object"
COMMAND = "--command"

_CSV = ("csv", "tsv")
_FILES = ("lines", "csv", "tsv", "jsonl", "json", "parquet", "arrow")
_NESTED = ("jsonl", "json", "parquet", "arrow", QUERY, OBJECT)

OF_FORMATS: dict[str, tuple[str, ...]] = {
    "format": _FILES,
    "fields": _CSV,
    "no_header": _CSV,
    "delimiter": _CSV,
    "quote": _CSV,
    "strip": ("lines",),
    "flatten": _NESTED,
    "omit_empty": (*_CSV, *_NESTED),
    "vectors": ("parquet", "arrow", QUERY, OBJECT),
    "database": (QUERY,),
}
"""The formats that an option is for; one that is not named here is for all of them."""

OF_EVERY_TYPE = ("as_", "key", "if_exists", "ttl", "expire_at")
"""Options that every type (``--as``) has, and ``--command`` does not."""

OF_SOME_TYPES = ("value", "score", "pack", "wire")
"""Options that a type has if it says so: ``RedisType`` in ``etl/encode/mapping.py``."""


def given(options: Options, name: str) -> bool:
    """Return True if an option has another value than its default."""
    fields = {field.name: field.default for field in dataclasses.fields(options)}
    return name in fields and getattr(options, name) != fields[name]


def refuse_for_format(options: Options, format: str) -> None:
    """Refuse options that have no effect on a source of this format. Raises UsageError."""
    for name, formats in OF_FORMATS.items():
        if format not in formats and given(options, name):
            what = format if format in (QUERY, OBJECT) else f"a source read as {format}"
            if name == "database":
                raise UsageError("--database has no effect without --sql")
            remedy = _hint(format) if formats[0] == "csv" else ""
            raise UsageError(f"{_flag(name)} has no effect on {what}: it is for {_listed(formats)}{remedy}")


def refuse_for_kind(options: LoadOptions, kind: str) -> None:
    """Refuse options that have no effect on records that become ``kind`` (or COMMAND). Raises UsageError."""
    names = [name for name in (*OF_EVERY_TYPE, *OF_SOME_TYPES) if given(options, name)]
    if kind == COMMAND:
        for name in names:
            raise UsageError(f"{_flag(name)} has no effect with --command: put it into the command itself")
        return
    type = TYPES.member(kind).TYPE
    for name in names:
        if name in OF_EVERY_TYPE or (name in type.options and _has_effect(options, type, name)):
            continue
        what = f"--as {kind}" + ("" if options.as_ else ", the default here")
        raise UsageError(f"{_flag(name)} has no effect with {what}: it is for --as {_types_with(name)}")


def _has_effect(options: Options, type: Any, name: str) -> bool:
    other = type.requires.get(name)
    return other is None or given(options, other)


def _types_with(name: str) -> str:
    types = [(kind, module.TYPE) for kind, module in TYPES.members() if name in module.TYPE.options]
    return _listed([kind + _condition(type.requires.get(name)) for kind, type in types])


def _condition(other: str | None) -> str:
    return "" if other is None else f" with {_flag(other)}"


def _hint(format: str) -> str:
    return "; if it is one, say --format csv" if format == "lines" else ""


def _flag(name: str) -> str:
    return "--" + name.strip("_").replace("_", "-")


def _listed(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
