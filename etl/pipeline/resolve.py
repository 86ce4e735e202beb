"""First step: what options and sources say, before any server is asked.

That is what a record becomes in Redis, what has to be read of it, and where it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etl.encode.choose import type_named
from etl.encode.commands import COMMANDS
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.resp.command import parse_command
from etl.errors import UsageError
from etl.limits import require_descriptors
from etl.options import COMMAND, LoadOptions, RecordOptions, given, refuse_for_kind
from etl.output.notice import choose_mode
from etl.pipeline.fields import no_key, unknown_field
from etl.pipeline.work import Work
from etl.plan import Projection, Source
from etl.run.sizing import worth
from etl.sink.address import Address
from etl.sink.choose import place_of
from etl.source.choose import choose_source
from etl.template import ALL, JSON, LINE, NUMBER, Field, Template, parse_template


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source, what is done with its records, what is read of them, and where they go.

    ``progress`` is how the run shows itself: ``bar``, ``log`` or ``none``.
    """

    source: Source
    work: Work
    projection: Projection
    place: Address | str
    workers: int
    progress: str

    @property
    def templates(self) -> tuple[Template, ...]:
        """Return the templates that records are read for."""
        return tuple(template for encoder in self.work.encoders.always() for template in encoder.templates)


def resolve(sources: Sequence[Any], options: LoadOptions, work_of: Callable[[Source], Work]) -> Resolved:
    """Return what a run is about; ``work_of`` says what the verb does with a source's records.

    Raises UsageError, SourceError, LimitError where the system lets this process have too few files.
    """
    source = choose_source(sources, options)
    work = work_of(source)
    templates = [template for encoder in work.encoders.always() for template in encoder.templates]
    projection = projection_of(options, templates, source)
    place = place_of(options)
    workers = options.workers or worth(source)
    require_descriptors(workers)
    return Resolved(source, work, projection, place, workers, choose_mode(options.progress))


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
        else parse_template(options.value, option="--value")
    )
    return RecordMapping(
        kind=kind,
        type=type,
        key=key,
        value=value,
        score=_score(options),
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


def _score(options: RecordOptions) -> Template:
    template = parse_template(options.score, option="--score")
    return template if given(options, "score") else replace(template, origin=f"{template.origin} (default)")


def _expiry(options: RecordOptions) -> Expiry | None:
    if options.ttl is not None and options.expire_at is not None:
        raise UsageError("--ttl and --expire-at contradict each other: give one of them")
    if options.expire_at is not None:
        return Expiry("PXAT", options.expire_at.template)
    return None if options.ttl is None else Expiry("PX", options.ttl.template)


def projection_of(options: RecordOptions, templates: Iterable[Template], source: Source) -> Projection:
    """Say what has to be read of each record for these templates. Raises UsageError for unknown fields."""
    templates = tuple(templates)
    names = frozenset(name for template in templates for name in template.fields)
    projection = Projection(
        names=names - {ALL, NUMBER},
        lists=frozenset(name for template in templates for name in template.lists),
        all=ALL in names,
        line=LINE in names,
        json=JSON in names,
        include=options.include,
        exclude=options.exclude or (),
        rename=options.rename,
        flatten=options.flatten,
        omit_empty=options.omit_empty,
        vectors=options.vectors,
    )
    for name, count in Counter(old for old, _ in projection.rename).items():
        if count > 1:
            raise UsageError(f"--rename gives two names to the field {name}")
    if source.fields is not None:
        _require_fields(projection, templates, source, source.fields)
        if len(source.names) == 1:
            # Fields of different files may be given one name: where they meet the source objects.
            _require_own_names(projection, source.fields)
    _require_effect(options, projection)
    return projection


def _require_effect(options: RecordOptions, projection: Projection) -> None:
    """Refuse options about fields that nothing uses. Raises UsageError."""
    if projection.all or projection.json:
        return
    about_all = {"include": options.include, "exclude": options.exclude, "flatten": options.flatten}
    for option, value in about_all.items():
        if value:
            raise UsageError(
                f"--{option} has no effect here: it is about {{*}} and {{json}}, and no template uses them"
            )
    for old, new in projection.rename:
        if new not in projection.names | projection.lists:
            raise UsageError(
                f"--rename {old}={new} has no effect here: no template uses {{{new}}}, {{*}} or {{json}}"
            )


def _require_fields(
    projection: Projection, templates: Sequence[Template], source: Source, fields: tuple[str, ...]
) -> None:
    """Refuse names that no record can have. What is nested (``a.b``) only the records tell."""

    def known(name: str) -> bool:
        return name in fields or name.partition(".")[0] in fields

    named = {
        "--include": list(projection.include or ()),
        "--exclude": list(projection.exclude),
        "--rename": [old for old, _ in projection.rename],
    }
    for option, names in named.items():
        for name in names:
            if not known(name):
                raise unknown_field(f"{option} names {name}", name, source, fields)
    for template in templates:
        for name in sorted((template.fields | template.lists) - {ALL, NUMBER, LINE, JSON}):
            if not any(map(known, projection.source_names(name))):
                new_names = [projection.new_name(field) for field in fields]
                raise unknown_field(f"{template.origin} uses {{{name}}}", name, source, new_names)


def _require_own_names(projection: Projection, fields: tuple[str, ...]) -> None:
    wanted = Counter(projection.new_name(name) for name in fields if projection.wants(name))
    for name, count in wanted.items():
        if count > 1:
            raise UsageError(
                f"--rename: two fields would be named {name}: rename the other one too, or exclude it"
            )
