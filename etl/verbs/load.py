"""The verb ``load``: records of files, tables and queries become keys in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.options import LoadOptions, merged, shows_options
from etl.report import COUNTED, Report

HELP = "load the records of files into Redis"
OPTIONS = LoadOptions
COUNTS = COUNTED["load"]


@shows_options(LoadOptions)
def load(*sources: Any, options: LoadOptions | None = None, **changes: Any) -> Report:
    """Load records into Redis with N worker processes; every reply is checked.

    ``sources`` are paths, globs, folders, URIs, ``-`` for standard input; or one Python object: anything
    with the Arrow PyCapsule interface (a table of pyarrow, pandas, polars, DuckDB, ...) or an iterable of
    dicts. The options are keywords (``to=``, ``key=``, ``as_=``, ``workers=``, ...; see ``LoadOptions``), or
    ``options`` with those keywords on top. Returns the Report of a complete run; raises EtlError (UsageError,
    SourceError, TargetError, ...) for everything else, whose ``report`` says how far the run came.
    A script needs no ``if __name__ == "__main__":`` for it: workers do not import the script.
    """
    return run(merged(LoadOptions, options, changes), sources)


def run(options: LoadOptions, sources: Sequence[Any]) -> Report:
    """Return the report of a complete load. Raises EtlError."""
    from etl.pipeline.execute import carry_out
    from etl.pipeline.loading import Load
    from etl.pipeline.planned import planned
    from etl.run.choose import engine_opener

    open_engine = engine_opener(options)
    options, sources, plan = planned(options, sources)
    if open_engine is not None:
        from etl.pipeline.distribute import load_elsewhere

        return load_elsewhere(options, sources, plan, open_engine).report_or_raise()
    return carry_out(Load(options), sources, options, plan).report_or_raise()
