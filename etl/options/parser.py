"""Options for argparse, from a namespace, from keywords, and as a table."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from etl.errors import UsageError
from etl.options.declare import choices_of, flag
from etl.options.verbs import ONLY_WRITING, Options, VerifyOptions
from etl.suggest import did_you_mean

AnyOptions = TypeVar("AnyOptions", bound=Options)


def add_options(parser: argparse._ActionsContainer, kind: type[Options]) -> None:
    """Add the options of ``kind`` to a parser or to a group of one."""
    for field in dataclasses.fields(kind):
        meta = field.metadata
        keywords: dict[str, Any] = {"default": field.default, "help": meta["help"].replace("%", "%%")}
        if field.type in ("bool", bool):
            keywords["action"] = "store_true"
        else:
            # What is none of the choices is refused with the other values: it names the nearest one.
            keywords["metavar"] = meta["metavar"] or "|".join(choices_of(field))
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
    """Return ``options`` (or all defaults) with ``changes`` made. Raises UsageError for unknown names."""
    known = {field.name for field in dataclasses.fields(kind)}
    for name in changes:
        if name not in known:
            hint = did_you_mean(name, known, most=3) or f"there are {', '.join(sorted(known))}"
            raise UsageError(f"there is no option {name!r}; {hint}")
    if options is None:
        return kind(**changes)
    return dataclasses.replace(options, **changes)


def markdown_table(kind: type[Options]) -> str:
    """Write the options of ``kind`` as the README's table."""
    rows = ["| option | meaning | default |", "|---|---|---|"]
    for field in dataclasses.fields(kind):
        meta = field.metadata
        value = (meta["metavar"] or "|".join(choices_of(field))).replace("|", "\\|")
        name = f"`{flag(field)}{' ' + value if value else ''}`"
        rows.append(f"| {name} | {meta['help']} | {meta['shown_default']} |")
    return "\n".join(rows)
