"""Options for argparse, from a namespace, and from keywords."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from etl.errors import UsageError
from etl.options.declare import SWITCH, Options, flag, groups, has_effect, metavar
from etl.suggest import did_you_mean

AnyOptions = TypeVar("AnyOptions", bound=Options)


def add_options(parser: argparse.ArgumentParser, kind: type[Options], *, title: str = "{}") -> None:
    """Add the options of ``kind`` to a parser, each group under its title, which ``title`` may frame."""
    for own_title, fields in groups(kind):
        group = parser.add_argument_group(title.replace("{}", own_title))
        for field in fields:
            group.add_argument(flag(field), dest=field.name, **_keywords(kind, field))


def _keywords(kind: type[Options], field: dataclasses.Field[Any]) -> dict[str, Any]:
    meta = field.metadata
    shown = str(meta["shown"]).replace("`", "")
    text = f"{meta['help']} (default: {shown})" if has_effect(kind, field) else "no effect: this only reads"
    keywords: dict[str, Any] = {"default": field.default, "help": text.replace("%", "%%")}
    if meta["value"] is SWITCH:
        return keywords | {"action": "store_true"}
    # What is none of the choices is refused with the other values: it names the nearest one.
    keywords["metavar"] = metavar(field)
    return keywords | ({"action": "append", "default": None} if meta["value"].many else {})


def from_namespace(namespace: argparse.Namespace, kind: type[AnyOptions]) -> AnyOptions:
    """Return the options that a parser with ``add_options`` has parsed. Raises UsageError."""
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
