"""Options for people: the README's table, and the signature and docstring of a function of the Python API."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from etl.options.declare import Options, flag, groups, metavar

Function = TypeVar("Function", bound=Callable[..., Any])


def markdown_table(kind: type[Options]) -> str:
    """Return the options of ``kind`` as the README's table: a row each, and one over each group."""
    rows = ["| option | meaning | default |", "|---|---|---|"]
    for title, fields in groups(kind):
        rows.append(f"| **{title}** | | |")
        for field in fields:
            value = metavar(field).replace("|", "\\|")
            name = f"`{flag(field)}{' ' + value if value else ''}`"
            rows.append(f"| {name} | {field.metadata['help']} | {field.metadata['shown']} |")
    return "\n".join(rows)


def shows_options(kind: type[Options]) -> Callable[[Function], Function]:
    """Return a decorator that adds the options of ``kind`` to a function's signature and docstring.

    The function takes ``*sources`` and ``options``, and the options as keywords: ``help()`` shows them.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function).parameters
        keywords = [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            for field in dataclasses.fields(kind)
        ]
        signature = inspect.Signature([own["sources"], own["options"], *keywords])
        function.__signature__ = signature  # type: ignore[attr-defined]
        lines = [inspect.cleandoc(function.__doc__ or "")]
        for title, fields in groups(kind):
            lines += ["", f"{title.capitalize()}:", *map(_line, fields)]
        function.__doc__ = "\n".join([*lines, ""])
        return function

    return decorate


def _line(field: dataclasses.Field[Any]) -> str:
    shown = str(field.metadata["shown"]).replace("`", "")
    return f"    {field.name}: {field.metadata['help']} (default: {shown})"
