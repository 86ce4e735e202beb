"""From options and templates to what has to be read of a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from etl.errors import UsageError
from etl.options import RecordOptions
from etl.pipeline.fields import unknown_field
from etl.plan import Projection, Source
from etl.template import ALL, JSON, LINE, NUMBER, Template


def projection_of(options: RecordOptions, templates: Iterable[Template], source: Source) -> Projection:
    """Return what has to be read of each record for these templates. Raises UsageError for unknown fields."""
    templates = tuple(templates)
    whole = Projection(
        include=options.include,
        exclude=options.exclude or (),
        rename=options.rename,
        flatten=options.flatten,
        omit_empty=options.omit_empty,
        vectors=options.vectors,
    )
    projection = for_templates(whole, templates)
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


def for_templates(projection: Projection, templates: Iterable[Template]) -> Projection:
    """Return a projection that reads, in the same way, what these templates name and nothing else."""
    templates = tuple(templates)
    names = frozenset(name for template in templates for name in template.fields)
    return replace(
        projection,
        names=names - {ALL, NUMBER},
        lists=frozenset(name for template in templates for name in template.lists),
        all=ALL in names,
        line=LINE in names,
        json=JSON in names,
    )


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
