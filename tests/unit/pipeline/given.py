"""Sources of which nothing is known but their fields."""

from __future__ import annotations

from dataclasses import dataclass

from etl.plan import Source


@dataclass(frozen=True, slots=True)
class Named:
    """A source of which nothing is known but its fields, and how many files it has."""

    fields: tuple[str, ...] | None
    names: tuple[str, ...] = ("/data/one.csv", "/data/two.csv")
    streamed: bool = True


def source_with(*fields: str) -> Source:
    return Named(fields)  # type: ignore[return-value]


LINES = source_with("line")
CSV = source_with("id", "name", "address")
JSON: Source = Named(None)  # type: ignore[assignment]
