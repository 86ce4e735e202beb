"""The verb ``load``: records of files, tables and queries become keys in Redis."""

from __future__ import annotations

from typing import Any

from etl.options import LoadOptions, merged
from etl.plan import Source
from etl.report import Report
from etl.verbs.prepare import Encoders, carry_out
from etl.verbs.shape import shape_of


def load(*sources: Any, options: LoadOptions | None = None, **changes: Any) -> Report:
    """Load records into Redis with N worker processes; every reply is checked.

    ``sources`` are paths, globs, folders, URIs, ``-`` for standard input; or one Python object: anything
    with the Arrow PyCapsule interface (a table of pyarrow, pandas, polars, DuckDB, ...) or an iterable of
    dicts. The options are keywords (``to=``, ``key=``, ``as_=``, ``workers=``, ...; see ``LoadOptions``), or
    ``options`` with those keywords on top. Gives the Report of a complete run; raises EtlError (UsageError,
    SourceError, TargetError, ...) for everything else, whose ``report`` says how far the run came. In a
    script, call it under ``if __name__ == "__main__":``, as multiprocessing demands.
    """
    chosen = merged(LoadOptions, options, changes)
    return carry_out("load", sources, chosen, lambda source: _encoders(source, chosen)).report_or_raise()


def _encoders(source: Source, options: LoadOptions) -> Encoders:
    shape = shape_of(options, source)
    return Encoders(shape.encoder(), shape.single(), shape.before())
