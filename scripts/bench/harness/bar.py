"""Bars: limits that a measured value has to hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .table import Table


@dataclass(frozen=True, slots=True)
class Bar:
    """``show`` writes limit and value in their unit; the limit is a most, or with ``at_least`` a least."""

    name: str
    limit: float
    value: float
    show: Callable[[float], str]
    at_least: bool = False

    @property
    def held(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> list[str]:
        limit = f"at {'least' if self.at_least else 'most'} {self.show(self.limit)}"
        return [self.name, limit, self.show(self.value), "ok" if self.held else "MISSED"]


def bars_table(title: str, bars: Sequence[Bar]) -> Table:
    return Table(title, ["bar", "limit", "measured", ""], [bar.row() for bar in bars])


def times(value: float) -> str:
    return f"{value:.3g} x"


def percent(value: float) -> str:
    return f"{value:.0%}"


def mib(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"
