"""From options to what a record becomes in Redis, and to what has to be read of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from etl.encode.command import parse_command
from etl.encode.types import Expiry, Shape, default_value
from etl.errors import UsageError
from etl.options import Options
from etl.plan import Projection, Source
from etl.template import ALL, JSON, LINE, NUMBER, Template, parse_template


def shape_of(options: Options, source: Source) -> Shape:
    """Make the shape that options give to the records of a source. Raises UsageError."""
    of_lines = source.fields == (LINE,)
    commands = tuple(parse_command(text) for text in options.command)
    if_exists = getattr(options, "if_exists", None)
    if commands:
        _refuse_beside_commands(options)
    kind = options.as_ or ("string" if of_lines else "hash")
    key = parse_template(options.key, option="--key")
    if options.pack is not None and options.split == "record":
        raise UsageError("--pack wants --split block: a bucket's records would be with as many workers")
    if key.constant and not commands and kind in ("string", "hash", "json"):
        raise UsageError(
            f"--key {options.key!r} names no field: each {kind} would overwrite the one before it;"
            " put {#} or a {field} into it"
        )
    value = (
        default_value(of_lines) if options.value is None else parse_template(options.value, option="--value")
    )
    return Shape(
        kind=kind,
        key=key,
        value=value,
        score=parse_template(options.score, option="--score"),
        expiry=_expiry(options),
        if_exists=if_exists or ("merge" if commands else "replace"),
        commands=commands,
        pack=options.pack,
    )


def _refuse_beside_commands(options: Options) -> None:
    for name in ("as_", "value", "pack", "if_exists", "ttl", "expire_at"):
        if getattr(options, name, None) is not None:
            option = "--" + name.strip("_").replace("_", "-")
            raise UsageError(f"{option} says nothing beside --command: put it into the command itself")


def _expiry(options: Options) -> Expiry | None:
    ttl = getattr(options, "ttl", None)
    expire_at = getattr(options, "expire_at", None)
    if ttl is not None and expire_at is not None:
        raise UsageError("--ttl and --expire-at contradict each other: give one of them")
    if expire_at is not None:
        return Expiry("EXAT", parse_template(expire_at, option="--expire-at"))
    if ttl is None:
        return None
    if "{" in ttl:
        return Expiry("EX", parse_template(ttl, option="--ttl"))
    return Expiry("PX", Template((b"%d" % round(float(ttl) * 1000),)))


def projection_of(options: Options, templates: Iterable[Template], source: Source) -> Projection:
    """Say what has to be read of each record for these templates. Raises UsageError for unknown fields."""
    templates = tuple(templates)
    names = frozenset(name for template in templates for name in template.fields)
    projection = Projection(
        names=names - {ALL, NUMBER},
        lists=frozenset(name for template in templates for name in template.lists),
        all=ALL in names,
        line=LINE in names,
        json=JSON in names,
        include=options.names("include"),
        exclude=options.names("exclude") or (),
        rename=tuple(_pair(text) for text in options.rename),
        flatten=options.flatten,
        omit_empty=options.omit_empty,
        vectors=options.vectors,
    )
    for name, count in Counter(old for old, _ in projection.rename).items():
        if count > 1:
            raise UsageError(f"--rename gives two names to the field {name}")
    if source.fields is not None:
        _require_fields(projection, source.fields)
        if len(source.names) == 1:
            # Fields of different files may be given one name: where they meet the source objects.
            _require_own_names(projection, source.fields)
    return projection


def _pair(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    return old, new


def _require_fields(projection: Projection, fields: tuple[str, ...]) -> None:
    """Refuse names that no record can have. What is nested (``a.b``) only the records tell."""

    def known(name: str) -> bool:
        return name in fields or name.partition(".")[0] in fields

    templates = sorted(projection.names | projection.lists)
    named = {
        "--include": list(projection.include or ()),
        "--exclude": list(projection.exclude),
        "--rename": [old for old, _ in projection.rename],
    }
    for option, names in named.items():
        for name in names:
            if not known(name):
                raise _unknown(option, name, fields)
    for name in templates:
        if name not in (LINE, JSON) and not any(map(known, projection.source_names(name))):
            raise _unknown("a template", name, [projection.new_name(field) for field in fields])


def _require_own_names(projection: Projection, fields: tuple[str, ...]) -> None:
    wanted = Counter(projection.new_name(name) for name in fields if projection.wants(name))
    for name, count in wanted.items():
        if count > 1:
            raise UsageError(
                f"--rename: two fields would be named {name}: rename the other one too, or exclude it"
            )


def _unknown(option: str, name: str, fields: Sequence[str]) -> UsageError:
    there = ", ".join(fields[:20]) + (", ..." if len(fields) > 20 else "")
    return UsageError(f"{option} names the field {name}, which the records do not have: {there}")
