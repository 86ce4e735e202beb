"""JSON records in which a renaming gives two fields one name: rejects, for one of the two would be lost.

Records that have one of the fields only are good, each by itself: ``--rename a=c --rename b=c`` joins what
older and newer records call differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from etl.plan import Projection
from etl.source.json.columns import Bad, Parsed, find, spreads


@dataclass(frozen=True, slots=True)
class NameCollision:
    """Fields that are to have one name. Those in ``paths`` count also where they are nested."""

    name: str
    sources: tuple[str, ...]
    paths: frozenset[str]

    def meet_in(self, record: dict[str, Any]) -> bool:
        return sum(1 for source in self.sources if self._is_in(record, source)) > 1

    def _is_in(self, record: dict[str, Any], source: str) -> bool:
        return source in record or (source in self.paths and find(record, source) is not None)


def without_shared_names(
    parsed: Parsed, projection: Projection, spans: Callable[[], Iterable[tuple[int, bytes]]]
) -> Parsed:
    """Part the records in which two fields would have one name; ``spans`` are all records' places."""
    rivals = tuple(_rivals(projection))
    faults: dict[int, str] = {}
    for one in rivals:
        reason = f"two of its fields would be named {one.name!r}"
        faults |= {row: reason for row, record in enumerate(parsed.records) if one.meet_in(record)}
    if not faults:
        return parsed
    known = {bad.index for bad in parsed.bad}
    places = [(index, *span) for index, span in enumerate(spans()) if index not in known]
    bad = [
        Bad(index, start, faults[row], raw) for row, (index, start, raw) in enumerate(places) if row in faults
    ]
    kept = [row for row in range(len(parsed.records)) if row not in faults]
    return replace(
        parsed,
        records=[parsed.records[row] for row in kept],
        raws=None if parsed.raws is None else [parsed.raws[row] for row in kept],
        bad=tuple(sorted((*parsed.bad, *bad), key=lambda one: one.index)),
    )


def _rivals(projection: Projection) -> Iterator[NameCollision]:
    for name in dict.fromkeys(new for _, new in projection.rename):
        sources = projection.source_names(name)
        named = name in projection.names | projection.lists
        if not named:
            spread = projection.all or projection.json
            sources = tuple(source for source in sources if spread and spreads(projection, source))
        if len(sources) > 1:
            nested = frozenset(source for source in sources if "." in source)
            yield NameCollision(name, sources, nested if named or projection.flatten else frozenset())
