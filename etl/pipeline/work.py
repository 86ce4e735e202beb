"""What a verb does with the records of a source: the noun that the steps of the pipeline pass on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from etl.encode.examples import CommandArgs
from etl.encode.mapping import RecordMapping
from etl.encode.rdb.encoder import RdbEncoder
from etl.pipeline.execution import Settles
from etl.plan import Encoder
from etl.template import Template


@dataclass(frozen=True, slots=True)
class Encoders:
    """``prepass`` encodes a pass over the keys before the run; ``single`` sends records one by one."""

    main: Encoder
    single: Encoder
    prepass: Encoder | None = None

    def always(self) -> tuple[Encoder, ...]:
        """Return those that every run uses: ``single`` has commands that hardly any run needs."""
        return (self.main, *((self.prepass,) if self.prepass else ()))

    @property
    def templates(self) -> tuple[Template, ...]:
        """Return the templates that records are read for."""
        return tuple(template for encoder in self.always() for template in encoder.templates)


@dataclass(frozen=True, slots=True)
class Work:
    """What a verb does with records, decided before any server is asked.

    A verb that ``writes`` has its job to itself. ``fenced``: none of its commands may be applied twice.
    ``commands`` are examples of those that it needs besides its encoders' and its job's. ``by_restore`` is
    the same work with RESTORE, the best way first: the first one that the server can do is done instead, and
    with ``must_restore`` one of them has to be. ``on_cluster`` returns the same work as a cluster takes it.
    ``settle(run)`` decides before the load which records it passes over (None: it loads all).
    ``as_entries(version=, base_ms=)`` returns what makes entries of an RDB file of the records.
    ``replaces_all``: by replication, in place of everything that the server has.
    """

    mapping: RecordMapping
    encoders: Encoders
    writes: bool
    fenced: bool = False
    commands: tuple[CommandArgs, ...] = ()
    by_restore: tuple[Work, ...] = ()
    must_restore: bool = False
    on_cluster: Callable[[], Work] | None = field(default=None, compare=False)
    settle: Settles | None = field(default=None, compare=False)
    as_entries: Callable[..., RdbEncoder] | None = field(default=None, compare=False)
    replaces_all: bool = False

    @property
    def may_be_fenced(self) -> bool:
        """Return True if it goes through a fence, or would if the server takes RESTORE."""
        return self.fenced or any(work.fenced for work in self.by_restore)
