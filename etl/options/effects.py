"""Where each option has an effect: elsewhere it is refused, because to ignore it would hide a mistake.

Two things decide: the format of the source, and what a record becomes (``--as``, ``--command``). An option
that has its default value is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from etl.errors import UsageError

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

_KEYED = ("string", "hash", "json", "list", "set", "zset", "stream")

OF_KINDS: dict[str, tuple[str, ...]] = {
    "as_": _KEYED,
    "key": _KEYED,
    "value": ("string", "json", "list", "set", "zset"),
    "score": ("zset",),
    "pack": ("string",),
    "wire": ("hash",),
    "if_exists": _KEYED,
    "ttl": _KEYED,
    "expire_at": _KEYED,
}
"""The types (``--as``) that an option is for; one that is not named here is for ``--command`` too."""


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
    for name, kinds in OF_KINDS.items():
        if kind in kinds or not given(options, name):
            continue
        if kind == COMMAND:
            raise UsageError(f"{_flag(name)} has no effect with --command: put it into the command itself")
        if name == "pack":
            continue  # refused where it is made, which says more
        if name == "wire":
            if options.pack is None:
                raise UsageError(
                    f"--wire has no effect with {_of(options, kind)}:"
                    " it is for hashes (--as hash) and packed strings (--pack)"
                )
            continue
        raise UsageError(
            f"{_flag(name)} has no effect with {_of(options, kind)}: it is for --as {_listed(kinds)}"
        )


def _of(options: LoadOptions, kind: str) -> str:
    return f"--as {kind}" + ("" if options.as_ else ", the default here")


def _hint(format: str) -> str:
    return "; if it is one, say --format csv" if format == "lines" else ""


def _flag(name: str) -> str:
    return "--" + name.strip("_").replace("_", "-")


def _listed(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
