"""From options to what a record becomes in Redis."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.choose import type_named
from etl.encode.commands import COMMANDS
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.resp.command import parse_command
from etl.errors import UsageError
from etl.options import COMMAND, LoadOptions, RecordOptions, given, refuse_for_kind
from etl.pipeline.fields import no_key
from etl.plan import Source
from etl.template import LINE, NUMBER, Field, Template, parse_template


def mapping_of(options: LoadOptions, source: Source) -> RecordMapping:
    """Return what options make of the records of a source. Raises UsageError."""
    of_lines = source.fields == (LINE,)
    commands = tuple(parse_command(text) for text in options.command)
    kind = options.as_ or ("string" if of_lines else "hash")
    refuse_for_kind(options, COMMAND if commands else kind)
    type = COMMANDS if commands else type_named(kind)
    key = _key(options, source)
    if options.pack is not None and options.split == "record":
        raise UsageError("--pack wants --split block: a bucket's records would be with as many workers")
    if key.constant and type.holds_one_record:
        raise UsageError(
            f"--key {options.key!r} names no field: each {kind} would overwrite the one before it;"
            " put {#} or a {field} into it"
        )
    value = (
        type.default_value(of_lines)
        if options.value is None
        else parse_template(options.value, option="--value", members=type.takes_members)
    )
    return RecordMapping(
        kind=kind,
        type=type,
        key=key,
        value=value,
        score=_score(options, members=type.takes_members),
        expiry=_expiry(options),
        if_exists=options.if_exists or ("merge" if commands else "replace"),
        commands=commands,
        pack=options.pack,
    )


def _key(options: RecordOptions, source: Source) -> Template:
    """Return the template of ``--key``: lines are numbered by default, as records with fields are not.

    Numbers would be written over whatever keys a database has of that kind. Raises UsageError.
    """
    if options.key is not None:
        return parse_template(options.key, option="--key")
    if source.fields == (LINE,) or options.command:
        return Template((Field(NUMBER),))
    raise no_key(source)


def _score(options: RecordOptions, *, members: bool) -> Template:
    template = parse_template(options.score, option="--score", members=members)
    return template if given(options, "score") else replace(template, origin=f"{template.origin} (default)")


def _expiry(options: RecordOptions) -> Expiry | None:
    if options.ttl is not None and options.expire_at is not None:
        raise UsageError("--ttl and --expire-at contradict each other: give one of them")
    if options.expire_at is not None:
        return Expiry("PXAT", options.expire_at.template)
    return None if options.ttl is None else Expiry("PX", options.ttl.template)
