"""Options: each declared once, checked and parsed, in groups; a verb has some of the groups."""

from etl.options.declare import flag
from etl.options.effects import COMMAND, OBJECT, QUERY, given, refuse_for_format, refuse_for_kind
from etl.options.parser import add_options, from_namespace, markdown_table, merged
from etl.options.shelves import FORMATS
from etl.options.values import parse_rate
from etl.options.verbs import (
    DEFAULT_URL,
    MOST_WORKERS,
    ONLY_WRITING,
    RUN_OPTIONS,
    START_METHODS,
    LoadOptions,
    Options,
    VerifyOptions,
    shows_options,
)

__all__ = [
    "COMMAND",
    "DEFAULT_URL",
    "FORMATS",
    "MOST_WORKERS",
    "OBJECT",
    "ONLY_WRITING",
    "QUERY",
    "RUN_OPTIONS",
    "START_METHODS",
    "LoadOptions",
    "Options",
    "VerifyOptions",
    "add_options",
    "flag",
    "from_namespace",
    "given",
    "markdown_table",
    "merged",
    "parse_rate",
    "refuse_for_format",
    "refuse_for_kind",
    "shows_options",
]
