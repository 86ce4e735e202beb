"""What is said of fields: which there are, which one was probably meant, and which one looks like an id."""

from __future__ import annotations

import os
from collections.abc import Sequence

from etl.errors import EtlError, RejectedError, UsageError
from etl.plan import Projection, Source
from etl.suggest import nearest
from etl.template import ALL, JSON, LINE, NUMBER, Template
from etl.units import KIB

_MOST_NAMED = 20
_PEEKED_BYTES = 64 * KIB

_IDS = ("id", "_id", "key", "uuid", "guid")
_ID_ENDINGS = ("_id", "_uuid", "_guid", "_key", "-id", ".id")

_SEPARATORS = {";": "';'", "\t": r"'\t'", "|": "'|'", ",": "','"}


def known_fields(source: Source) -> tuple[str, ...]:
    """Return the names of a source's fields; where only the records tell, those of the first ones.

    Empty where that cannot be told without using up the input (a stream).
    """
    if source.fields is not None:
        return source.fields
    if source.streamed:
        return ()
    try:
        for block in source.blocks(_PEEKED_BYTES):
            reader = source.open(Projection(all=True))
            try:
                names = (name for batch in reader.read(block) for name in batch.spread)
                return tuple(dict.fromkeys(names))
            finally:
                reader.close()
    except EtlError:  # the run itself finds out, and says it
        pass
    return ()


def no_key(source: Source) -> UsageError:
    """Make the error of a load of records with fields that has no ``--key``: it proposes one."""
    stem = _stem(source)
    numbered = f"--key '{stem}:{{#}}'"
    found = id_field(known_fields(source))
    proposal = f"for example {numbered}, which numbers the records"
    if found is not None:
        proposal = f"for example --key '{stem}:{{{found}}}', or {numbered}, which numbers the records"
    return UsageError(f"records with fields need --key TEMPLATE, the key that each is written to: {proposal}")


def id_field(fields: Sequence[str]) -> str | None:
    """Return the field that looks like an id by its name, else None."""
    by_name = {name.lower(): name for name in reversed(fields) if not set(name) & set("{}")}
    for name in _IDS:
        if name in by_name:
            return by_name[name]
    return next((name for lower, name in reversed(by_name.items()) if lower.endswith(_ID_ENDINGS)), None)


def unknown_field(named: str, name: str, source: Source, fields: Sequence[str]) -> UsageError:
    """Make the error of a field that no record has.

    ``named`` says where it stands: ``--key 'u:{id}' uses {id}``. ``fields`` are the source's, by the names
    that could stand there.
    """
    file = _shown(source)
    if source.fields == (LINE,):
        return UsageError(
            f"{named}, but {file} is read as lines, which have {{line}} and {{#}} only;"
            " if it holds records with fields, say --format csv, tsv, jsonl, json, parquet or arrow"
        )
    return UsageError(f"{named}, which {file} does not have; it has: {_named(fields)}{_cause(name, fields)}")


def explained(
    error: EtlError | None, templates: Sequence[Template], projection: Projection, source: Source
) -> EtlError | None:
    """Return the error of a run with too many rejects with what explains them, where that can be told.

    That is a field that a template names and no record at the input's beginning has. Any other error is
    returned as it is.
    """
    if not isinstance(error, RejectedError) or source.fields is not None:
        return error
    fields = known_fields(source)
    tops = {name.partition(".")[0] for name in fields}
    for template in templates:
        for name in sorted((template.fields | template.lists) - {ALL, NUMBER, LINE, JSON}):
            sources = {old.partition(".")[0] for old in projection.source_names(name)}
            if fields and not sources & tops:
                return RejectedError(
                    f"{error}; {template.origin} uses {{{name}}}, and the first records of {_shown(source)}"
                    f" have: {_named(fields)}{_cause(name, fields)}"
                )
    return error


def _named(fields: Sequence[str]) -> str:
    return ", ".join(fields[:_MOST_NAMED]) + (", ..." if len(fields) > _MOST_NAMED else "")


def _cause(name: str, fields: Sequence[str]) -> str:
    """Guess why a field is not there, in a few words to stand after the fields that are."""
    close = nearest(name, fields)
    if not close:
        same = {field.lower().strip(): field for field in fields}
        close = [same[name.lower()]] if name.lower() in same else []
    if close:
        return f". Did you mean {{{close[0]}}}?"
    if len(fields) == 1:
        for separator, shown in _SEPARATORS.items():
            if separator in fields[0]:
                return f". Wrong delimiter? Try --delimiter {shown}"
    if any(field.strip().lstrip("-").replace(".", "", 1).isdecimal() for field in fields):
        return ". Is the first line no header? Then give --no-header, or --fields A,B,..."
    return ""


def _shown(source: Source) -> str:
    names = source.names
    if not names or not _is_file(names[0]):
        return "standard input" if names[:1] == ("-",) else "the source"
    first = os.path.basename(names[0].rstrip("/")) or names[0]
    more = len(names) - 1
    return first if not more else f"{first} (with {more} more file{'s' if more > 1 else ''})"


def _is_file(name: str) -> bool:
    return os.path.isabs(name) or "://" in name


def _stem(source: Source) -> str:
    """Return a name for keys, made of the first file's; ``record`` where there is no file."""
    if not source.names or not _is_file(source.names[0]):
        return "record"
    stem = os.path.basename(source.names[0]).partition(".")[0]
    clean = "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in stem)
    return clean[:40].strip("-") or "record"
