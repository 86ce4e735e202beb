"""Templates: literals and field names, and nothing else.

``train:{#}`` is the literal ``train:`` and the field ``#`` (the record's number). ``{{`` and ``}}`` stand
for the braces themselves. There is no attribute access, no indexing, no format specification: a template
may come from a configuration file and must not be able to do anything but substitute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.errors import UsageError

NUMBER = "#"
"""Name of the field that holds the record's number, from 0 through the whole input."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class Field:
    """The place in a template where a record's field goes."""

    name: str


Part = bytes | Field


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: ``parts`` are literals (bytes) and fields, in order."""

    parts: tuple[Part, ...]

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that the template needs."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field))

    def require(self, known: tuple[str, ...], *, option: str) -> None:
        """Check that every field exists.

        Raises UsageError that names the missing field, the option and the fields there are.
        """
        for name in sorted(self.fields - {NUMBER, *known}):
            there = ", ".join(f"{{{field}}}" for field in (*known, NUMBER))
            raise UsageError(
                f"{option} names the field {{{name}}}, which the records do not have; they have {there}"
            )


def parse_template(text: str, *, option: str) -> Template:
    """Parse a template.

    Raises UsageError for an unclosed or empty brace; the message names the option and the column.
    """
    parts: list[Part] = []
    for token in _TOKEN.finditer(text):
        if token.group(1) is not None:
            name = token.group(1)
            if not name:
                raise _bad(text, token.start(), option, "an empty field name; for a brace itself write {{")
            parts.append(Field(name))
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
    return Template(tuple(parts))


def _bad(text: str, column: int, option: str, why: str) -> UsageError:
    return UsageError(f"{option} {text!r} has {why} (column {column + 1})")
