"""The verb ``load``: records of files become keys in Redis."""

from __future__ import annotations

import os
from typing import Any

from etl.encode.mset import MsetEncoder
from etl.encode.set import SetEncoder
from etl.options import LoadOptions, merged
from etl.plan import Encoder, Source
from etl.report import Report
from etl.source.lines import LINE
from etl.template import Field, Template, parse_template
from etl.verbs.prepare import carry_out


def load(*sources: str | os.PathLike[str], options: LoadOptions | None = None, **changes: Any) -> Report:
    """Load files into Redis with N worker processes; every reply is checked.

    ``sources`` are paths, globs or folders. The options are keywords (``to=``, ``key=``, ``workers=``, ...;
    see ``LoadOptions``), or ``options`` with those keywords on top. Gives the Report of a complete run;
    raises EtlError (UsageError, SourceError, TargetError, ...) for everything else, whose ``report`` says
    how far the run came. In a script, call it under ``if __name__ == "__main__":``, as multiprocessing
    demands.
    """
    chosen = merged(LoadOptions, options, changes)
    return carry_out(
        "load", [os.fspath(source) for source in sources], chosen, lambda source: _encoder(source, chosen)
    )


def _encoder(source: Source, options: LoadOptions) -> Encoder:
    key = parse_template(options.key, option="--key")
    key.require(source.fields, option="--key")
    value = Template((Field(LINE),))
    if options.ttl is None and options.if_exists == "replace":
        return MsetEncoder(key, value)
    ttl_ms = None if options.ttl is None else round(options.ttl * 1000)
    return SetEncoder(key, value, ttl_ms, options.if_exists)
