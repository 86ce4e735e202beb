"""One option, declared once: its help, its default, and what its value may be."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from etl.errors import UsageError
from etl.options import values as values
from etl.registry import Shelf
from etl.suggest import did_you_mean

Given = TypeVar("Given", contravariant=True)
Held = TypeVar("Held", covariant=True)
Class = TypeVar("Class", bound=type)


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What an option's value may be.

    ``parse`` takes the command line's text, or what Python callers give, or what it has returned itself, and
    returns the value, or raises ValueError or TypeError with the rest of a sentence; ``text`` is the way
    back. Of an option that may be given ``many`` times each is parsed, and the value is their tuple. Help
    has ``metavar`` in its place, or the ``choices``, which may be a shelf: the names of its members.
    """

    parse: Callable[[Any], Any] = values.as_text
    metavar: str = ""
    choices: tuple[str, ...] | Shelf = ()
    many: bool = False
    text: Callable[[Any], Any] = lambda value: value


SWITCH = Value(values.switch)
"""An option without a value: it is given or not."""


def option(
    *,
    default: Any,
    help: str,
    value: Value = SWITCH,
    shown: str | None = None,
    secret: bool = False,
    writes: bool = False,
) -> Any:
    """Declare an option.

    ``shown`` is the default for people. A ``secret`` is in no ``repr`` and in no message. One that only says
    how data are written (``writes``) has no effect on a verb that reads.
    """
    if shown is None:
        shown = "off" if value is SWITCH else str(default)
    metadata = {"help": help, "value": value, "shown": shown, "writes": writes}
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


class Parsed(Generic[Given, Held]):
    """For type checkers: an option is ``Given`` as one type, text for one, and ``Held`` as another."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any = None) -> Held: ...
        def __set__(self, instance: object, value: Given) -> None: ...


if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    # It is not told that options are frozen: of a frozen class, mypy takes what is given for what is held.
    @dataclass_transform(kw_only_default=True, field_specifiers=(option,))
    def options_class(cls: Class) -> Class: ...

else:
    # Without slots: a class cannot inherit from two that have some.
    options_class = dataclasses.dataclass(frozen=True, kw_only=True)


@options_class
class Options:
    """Options of one subject, or all of a verb, whose groups are its bases. Raises UsageError."""

    TITLE: ClassVar[str] = "options of this command"
    """Heads the options that the class declares itself, in the help and in the README."""

    WRITES: ClassVar[bool] = True
    """Whether a verb with these options writes data."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))


def groups(kind: type[Options]) -> list[tuple[str, list[dataclasses.Field[Any]]]]:
    """Return the groups of a verb's options, each with its title and its options, as declared."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    found = []
    for base in reversed(kind.__mro__):
        if issubclass(base, Options):
            own = [fields[name] for name in inspect.get_annotations(base) if name in fields]
            if own:
                found.append((base.TITLE, own))
    return found


def has_effect(kind: type[Options], field: dataclasses.Field[Any]) -> bool:
    """Return False for an option that a verb only takes so that another verb's command line is one of its."""
    return kind.WRITES or not field.metadata["writes"]


def flag(field: dataclasses.Field[Any]) -> str:
    """Return an option's flag: ``--if-exists`` for ``if_exists``, ``--as`` for ``as_``."""
    return flag_of(field.name)


def flag_of(name: str) -> str:
    """Return the flag of the option that is called so in Python."""
    return "--" + name.rstrip("_").replace("_", "-")


def choices_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return what an option's value may be, one of these; empty: anything that it parses."""
    choices: tuple[str, ...] | Shelf = field.metadata["value"].choices
    return choices.names() if isinstance(choices, Shelf) else choices


def metavar(field: dataclasses.Field[Any]) -> str:
    """Return what stands for an option's value in help: ``TEMPLATE``, ``raw|text``; empty for a switch."""
    return field.metadata["value"].metavar or "|".join(choices_of(field))


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return the parsed value of an option. Raises UsageError, which names the option."""
    kind: Value = field.metadata["value"]
    if value is None and kind is not SWITCH:
        if field.default is not None:
            raise UsageError(f"{flag(field)} needs a value")
        return None
    if kind.choices and value not in choices_of(field):
        raise UsageError(_not_a_choice(field, value))
    try:
        if not kind.many:
            return kind.parse(value)
        parsed = []
        for value in _several(value):  # noqa: B020 - the message below is about this one
            parsed.append(kind.parse(value))
        return tuple(parsed)
    except (TypeError, ValueError, OverflowError) as error:
        shown = f", not {_shortened(value)}" if field.repr else ""
        raise UsageError(f"{flag(field)} {error}{shown}") from None


def as_given(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return an option's value as a command line has it: text for what is parsed, a tuple of many texts."""
    kind: Value = field.metadata["value"]
    if value is None:
        return None
    return tuple(map(kind.text, value)) if kind.many else kind.text(value)


def _several(value: Any) -> Iterable[Any]:
    """Return what was given of an option that may be given many times: one, several, or a mapping's pairs."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(value.items())
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
