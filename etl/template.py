"""Templates: literals and field names, and nothing else.

``train:{#}`` is the literal ``train:`` and the field ``#`` (the record's number). ``{{`` and ``}}`` stand
for the braces themselves. There is no attribute access, no indexing, no format specification: a template
may come from a configuration file and must not be able to do anything but substitute. ``{address.city}`` is
the field of that name; what a dot means is the source's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from etl.errors import UsageError

NUMBER = "#"
"""Names the record's number, from 0 through the whole input."""

LINE = "line"
"""Names the record's original text, where no field has this name."""

JSON = "json"
"""Names the record as JSON text, where no field has this name."""

ALL = "*"
"""Stands for all fields, name and value by turns; an argument of its own in a command."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class Field:
    """The place in a template where a field goes; ``members``: those of the array field (``x[]``)."""

    name: str
    members: bool = False


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """The milliseconds that the text of a template means: a duration, or (``absolute``) a time since 1970.

    Null for a record whose text means none.
    """

    text: Template
    absolute: bool = False


Part = bytes | Field | Milliseconds


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: ``parts`` are literals (bytes) and fields, in order.

    ``origin`` is the option and its text, for messages: two templates with the same parts are equal.
    """

    parts: tuple[Part, ...]
    origin: str = field(default="a template", compare=False, repr=False)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that the template needs, ``#``, ``line``, ``json`` and ``*`` among them."""
        names = {part.name for part in self.parts if isinstance(part, Field) and not part.members}
        return frozenset(names).union(
            *(part.text.fields for part in self.parts if isinstance(part, Milliseconds))
        )

    @property
    def lists(self) -> frozenset[str]:
        """Names of the array fields whose members the template needs."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field) and part.members)

    @property
    def constant(self) -> bool:
        """Return True if the template is the same for every record."""
        return all(isinstance(part, bytes) for part in self.parts)

    @property
    def everything(self) -> bool:
        """Return True if the template is ``{*}``."""
        return self.parts == (Field(ALL),)

    @property
    def spreads(self) -> bool:
        """Return True if the template gives several arguments a record: ``{*}`` or ``{x[]}`` in it."""
        return self.everything or bool(self.lists)


def parse_template(text: str, *, option: str, argument: bool = False, members: bool = False) -> Template:
    """Parse a template.

    Only an ``argument`` of a command may be ``{*}``, and only it, or what stands for ``members`` of a key,
    may hold ``{x[]}``. Raises UsageError for an unclosed or
    empty brace, or these where they cannot be; the message names the option and the column.
    """
    parts: list[Part] = []
    for token in _TOKEN.finditer(text):
        if token.group(1) is not None:
            parts.append(_field(token.group(1), text, token.start(), option))
            continue
        literal = token.group()
        if literal in ("{", "}"):
            raise _bad(text, token.start(), option, f"a lone {literal}; for the brace itself write it twice")
        try:
            piece = {"{{": b"{", "}}": b"}"}.get(literal) or literal.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            column = token.start() + error.start
            raise _bad(text, column, option, "a character that is no Unicode (a surrogate)") from None
        if parts and isinstance(parts[-1], bytes):
            parts[-1] += piece
        else:
            parts.append(piece)
    template = Template(tuple(parts), f"{option} {text!r}")
    if ALL in template.fields and not (argument and template.everything):
        raise _bad(
            text, text.index("{*}"), option, "{*}, which can only be an argument of a command by itself"
        )
    if template.lists and (not (argument or members) or len(template.lists) + len(template.fields) > 1):
        raise _bad(
            text,
            0,
            option,
            "{...[]}, which can only stand in an argument of a command, or in the --value of a list, set or"
            " zset, alone or with text",
        )
    return template


def _field(name: str, text: str, column: int, option: str) -> Field:
    if name in ("", "[]"):
        raise _bad(text, column, option, "an empty field name; for a brace itself write {{")
    if name.endswith("[]"):
        return Field(name.removesuffix("[]"), members=True)
    return Field(name)


def _bad(text: str, column: int, option: str, why: str) -> UsageError:
    return UsageError(f"{option} {text!r} has {why} (column {column + 1})")
