"""One option, declared once: its help, default, choices and check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from etl.errors import UsageError
from etl.options import values as values
from etl.registry import Shelf
from etl.suggest import did_you_mean


def option(
    default: Any,
    help: str,
    *,
    metavar: str | None = None,
    choices: tuple[str, ...] | Shelf = (),
    parse: Callable[[Any], Any] = values.as_text,
    many: bool = False,
    shown_default: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare an option.

    ``parse`` turns the command line's text into the value, or raises ValueError; of an option that may be
    given ``many`` times it is given each text, and the value is the tuple of what it gives. ``choices`` may
    be a shelf: the names of its members.
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


def flag(field: dataclasses.Field[Any]) -> str:
    """Return an option's flag: ``--if-exists`` for ``if_exists``, ``--as`` for ``as_``."""
    return "--" + field.name.rstrip("_").replace("_", "-")


def choices_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return what an option's value may be, one of these; empty: anything that it parses."""
    choices: tuple[str, ...] | Shelf = field.metadata["choices"]
    return choices.names() if isinstance(choices, Shelf) else choices


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    meta = field.metadata
    if meta["shown_default"] == "off":
        if not isinstance(value, bool):
            raise UsageError(f"{field.name} must be True or False, not {value!r}")
        return value
    if value is None:
        if field.default is not None:
            raise UsageError(f"{flag(field)} needs a value")
        return None
    if meta["choices"] and value not in choices_of(field):
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
    choices = choices_of(field)
    sentence = f"{flag(field)} must be one of {', '.join(choices)}, not {_shortened(value)}"
    return "; ".join(filter(None, (sentence, did_you_mean(str(value), choices))))
