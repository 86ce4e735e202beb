"""Options of the record: what each becomes in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from etl.options import values as values
from etl.options.declare import Options, Parsed, Value, option, options_class
from etl.options.shelves import TYPES
from etl.options.values import ExpiryTime

Names = Parsed[str | Iterable[str] | None, tuple[str, ...] | None]

_NAMES = Value(values.names, "A,B", text=values.names_text)
_TEMPLATE = Value(metavar="TEMPLATE")


@options_class
class RecordOptions(Options):
    """What a record becomes, and which of its fields are taken."""

    TITLE = "record options"

    as_: str | None = option(
        default=None,
        help="the Redis type that a record becomes",
        value=Value(choices=TYPES),
        shown="`string` for lines, `hash` for records with fields",
    )
    key: str | None = option(
        default=None,
        help="the key of a record: text with {field} for a field, {#} for the record's number (from 0,"
        " through all files)",
        value=_TEMPLATE,
        shown="`{#}` for lines; required for records with fields",
    )
    value: str | None = option(
        default=None,
        help="what a string, a JSON document or a member of a list, set or zset holds; {line}: the record as"
        " it stands in the file, {json}: as JSON text, {x[]}: for a list or set all members of the array x",
        value=_TEMPLATE,
        shown="whole record",
    )
    score: str = option(
        default="{score}", help="the score of a zset's member", value=_TEMPLATE, shown="`{score}`"
    )
    pack: Parsed[int | str | None, int | None] = option(
        default=None,
        help="keep strings by number, N to a hash: record k is the field k % N of the key that has k // N in"
        " the place of {#}; for many small values, which take several times the room as keys of their own",
        value=Value(values.pack, "N"),
        shown="off: a key each",
    )
    command: Parsed[str | Iterable[str], tuple[str, ...]] = option(
        default=(),
        help="one Redis command a record, instead of --as; may be given again for several. {*} stands for all"
        " fields and values, {x[]} for the members of the array x; quoted as in a shell",
        value=Value(metavar="TEMPLATE", many=True),
        shown="none",
    )
    if_exists: str | None = option(
        default=None,
        help="what happens to a key that is there: replace it, merge the record into it, skip the record, or"
        " fail",
        value=Value(choices=("replace", "merge", "skip", "fail")),
        shown="`replace`",
    )
    ttl: Parsed[ExpiryTime | str | float | timedelta | None, ExpiryTime | None] = option(
        default=None,
        help="let the keys expire after a time: 30 (seconds), 1.5, 90m, 1h, 7d, or a template of one",
        value=Value(values.ttl, "TIME|TEMPLATE", text=str),
        shown="none",
    )
    expire_at: Parsed[ExpiryTime | str | float | datetime | None, ExpiryTime | None] = option(
        default=None,
        help="let the keys expire at a time: ISO 8601 (2030-01-31T12:00:00Z; without a zone it is UTC),"
        " seconds since 1970, or a template of one",
        value=Value(values.instant, "TIME|TEMPLATE", text=str),
        shown="none",
    )
    include: Names = option(
        default=None, help="the fields that {*} and {json} hold", value=_NAMES, shown="all"
    )
    exclude: Names = option(
        default=None, help="fields that {*} and {json} leave out", value=_NAMES, shown="none"
    )
    rename: Parsed[
        str | Iterable[str] | Mapping[str, str] | Iterable[tuple[str, str]], tuple[tuple[str, str], ...]
    ] = option(
        default=(),
        help="give a field another name; may be given again",
        value=Value(values.renaming, "OLD=NEW", many=True, text=values.renaming_text),
        shown="none",
    )
    flatten: bool = option(default=False, help='spread nested objects: {"a": {"b": 1}} has the field a.b')
    omit_empty: bool = option(default=False, help="leave out fields whose text is empty")
    vectors: str = option(
        default="raw",
        help="fixed-size lists of numbers as little-endian float32 bytes, or as JSON text",
        value=Value(choices=("raw", "text")),
        shown="`raw`",
    )
