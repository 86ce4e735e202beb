"""Where each option has an effect: elsewhere it is refused, because to ignore it would hide a mistake.

Two things decide: the format of the source, and what a record becomes (``--as``, ``--command``). An option
that has its default value is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from etl.errors import UsageError
from etl.options.shelves import FORMATS

if TYPE_CHECKING:
    from etl.options.verbs import Options

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
            raise UsageError(f"{_flag(name)} has no effect on {what}: {_where(name, format)}")
        if not is_file:
            raise UsageError(f"--format has no effect on {what}: it is for files and streams")


def _where(name: str, format: str) -> str:
    """Say which formats an option is for, and what to type where a file was taken for lines."""
    formats = [other for other, member in FORMATS.members() if name in member.OPTIONS]
    sources = [QUERY, OBJECT] if name in OF_TABLES else []
    one = f"one, say --format {formats[0]}" if len(formats) < 3 else "one of these, say which with --format"
    hint = f"; if it is {one}" if format == "lines" and not sources else ""
    return f"it is for {_listed([*formats, *sources])}{hint}"


def refuse_for_kind(options: Options, kind: str) -> None:
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


def _of(options: Options, kind: str) -> str:
    return f"--as {kind}" + ("" if options.as_ else ", the default here")


def _flag(name: str) -> str:
    return "--" + name.strip("_").replace("_", "-")


def _listed(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
