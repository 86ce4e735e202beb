"""Which groups of options a verb has.

A field of a group is an option: its name with dashes is the flag, its metadata carry the help. The parser,
``etl.load(...)``'s keywords, ``etl.add_arguments`` and the README's table derive from it. A verb of its own
(``etl/verbs/``) declares its options class in its file, of these groups or others.
"""

from __future__ import annotations

from typing import ClassVar

from etl.options.declare import Value, option, options_class
from etl.options.record import RecordOptions
from etl.options.run import RunOptions
from etl.options.shards import ShardOptions, shared_path_option
from etl.options.source import SourceOptions
from etl.options.target import TargetOptions


@options_class
class LoadOptions(ShardOptions, RunOptions, RecordOptions, SourceOptions, TargetOptions):
    """Options of ``load``. Raises UsageError for a value that cannot be."""


@options_class
class VerifyOptions(LoadOptions):
    """Options of ``verify``: all of ``load``, so that a command line is verified by changing one word.

    Those that only say how data are written have no effect; an expiry only refuses the records that the load
    refused for it.
    """

    TITLE = "verify options"
    WRITES: ClassVar[bool] = False

    differences: str | None = option(
        default=None,
        help="verify only: the file where all differences go, one JSON object a line; it is overwritten",
        value=Value(metavar="FILE"),
        shown="none; a few are shown",
    )


@options_class
class PlanOptions(RunOptions, RecordOptions, SourceOptions, TargetOptions):
    """Options of ``plan``: those of ``load``, which the plan remembers, and where it is written."""

    TITLE = "plan options"

    out: str | None = option(
        default=None,
        help="the file where the plan is written, for redis-etl load --plan FILE --shard I/N",
        value=Value(metavar="FILE"),
        shown="none: it is only shown",
    )
    shared_path: bool = shared_path_option()
