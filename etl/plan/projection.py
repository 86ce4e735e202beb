"""What of a record is wanted, and under which names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Projection:
    """What of a record is wanted, and under which names. Pure; readers obey it.

    ``names``: fields that templates name (after renaming). ``lists``: those named as ``{field[]}``. ``all``:
    the columns of ``{*}`` are wanted. ``line``, ``json``: so are these texts. ``include`` (None: all) and
    ``exclude`` choose what ``{*}`` and ``{json}`` hold, by source names; ``rename`` are pairs of source name
    and new name. ``flatten`` spreads nested objects into ``a.b``; ``omit_empty`` makes an empty text an
    absent field; ``vectors`` is ``raw`` (little-endian float32) or ``text`` (JSON).
    """

    names: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    all: bool = False
    line: bool = False
    json: bool = False
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    flatten: bool = False
    omit_empty: bool = False
    vectors: str = "raw"

    def new_name(self, name: str) -> str:
        """Return the name that a source's field has after renaming."""
        return dict(self.rename).get(name, name)

    def source_names(self, name: str) -> tuple[str, ...]:
        """Return the source's names of a field that a template names; a record may have one of them only."""
        renamed = tuple(old for old, new in self.rename if new == name)
        return renamed if self.new_name(name) != name else (*renamed, name)

    def spreads(self, name: str) -> bool:
        """Return True if ``{*}`` and ``{json}`` hold the source's field ``name``."""
        return (self.include is None or name in self.include) and name not in self.exclude

    def wants(self, name: str) -> bool:
        """Return True if the source's field ``name`` has to be read at all."""
        if (self.all or self.json) and self.spreads(name):
            return True
        return self.new_name(name) in self.names | self.lists
