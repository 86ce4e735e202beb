"""Options: each declared once, checked and parsed, in groups; a verb has some of the groups."""

from etl.options.declare import Options, Parsed, Value, as_given, flag, flag_of, option, options_class
from etl.options.effects import (
    COMMAND,
    OBJECT,
    OF_TABLES,
    QUERY,
    REPLICATION,
    given,
    given_of_others,
    refuse_for_format,
    refuse_for_kind,
)
from etl.options.identity import job_identity
from etl.options.parser import add_options, from_namespace, merged
from etl.options.record import RecordOptions
from etl.options.run import MAX_WORKERS, START_METHODS, RunOptions
from etl.options.shards import ShardOptions
from etl.options.shelves import FORMATS
from etl.options.source import SourceOptions
from etl.options.tables import markdown_table, shows_options
from etl.options.target import DEFAULT_URL, TargetOptions
from etl.options.verbs import LoadOptions, PlanOptions, VerifyOptions

__all__ = [
    "COMMAND",
    "DEFAULT_URL",
    "FORMATS",
    "MAX_WORKERS",
    "OBJECT",
    "OF_TABLES",
    "QUERY",
    "REPLICATION",
    "START_METHODS",
    "LoadOptions",
    "Options",
    "Parsed",
    "PlanOptions",
    "RecordOptions",
    "RunOptions",
    "ShardOptions",
    "SourceOptions",
    "TargetOptions",
    "Value",
    "VerifyOptions",
    "add_options",
    "as_given",
    "flag",
    "flag_of",
    "from_namespace",
    "given",
    "given_of_others",
    "job_identity",
    "markdown_table",
    "merged",
    "option",
    "options_class",
    "refuse_for_format",
    "refuse_for_kind",
    "shows_options",
]
