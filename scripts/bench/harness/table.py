"""Tables for a terminal and for a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are ready text; the first column is names, the others are numbers and stand to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        rule = ["-" * width for width in self._widths()]
        return "\n".join([self.title, *(self._line(row, "  ") for row in (self.head, rule, *self.rows))])

    def markdown(self) -> str:
        rule = [
            ("-" * width if column == 0 else "-" * (width - 1) + ":")
            for column, width in enumerate(self._widths())
        ]
        lines = (f"| {self._line(row, ' | ')} |" for row in (self.head, rule, *self.rows))
        return "\n".join([f"**{self.title}**", "", *lines])

    def _widths(self) -> list[int]:
        return [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]

    def _line(self, row: Sequence[str], gap: str) -> str:
        widths = self._widths()
        first = row[0].ljust(widths[0])
        return gap.join(
            [first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
