"""What a source has from the one that it is made of."""

from __future__ import annotations

from etl.plan import Block, Source


class OfAnotherSource:
    """The part of a Source (``etl/plan/source.py``) that is as in the dataclass's field ``source``."""

    __slots__ = ()

    source: Source

    @property
    def fields(self) -> tuple[str, ...] | None:
        return self.source.fields

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    @property
    def fingerprint(self) -> str | None:
        return self.source.fingerprint

    def verify_unchanged(self) -> None:
        self.source.verify_unchanged()

    def name_of(self, block: Block) -> str:
        return self.source.name_of(block)
