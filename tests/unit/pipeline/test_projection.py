"""From options and templates to what has to be read of a record."""

from __future__ import annotations

from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import LoadOptions
from etl.pipeline.projection import projection_of
from etl.plan import Projection, Source
from etl.template import parse_template
from tests.cases import cases
from tests.unit.pipeline.given import CSV, JSON, Named, source_with


def projection(source: Source = CSV, *templates: str, **options: Any) -> Projection:
    parsed = [parse_template(text, option="--command", argument=True) for text in templates]
    return projection_of(LoadOptions(**options), parsed, source)


def test_what_templates_name_is_read_and_nothing_else() -> None:
    assert projection(CSV, "k:{id}:{#}", "{name}") == Projection(names=frozenset({"id", "name"}))
    assert projection(CSV, "{#}") == Projection()
    assert projection(CSV, "{*}", "{id}") == Projection(names=frozenset({"id"}), all=True)
    assert projection(JSON, "{tags[]}", "{a.b}") == Projection(
        names=frozenset({"a.b"}), lists=frozenset({"tags"})
    )
    assert projection(CSV, "{line}") == Projection(names=frozenset({"line"}), line=True)
    assert projection(CSV, "{json}") == Projection(names=frozenset({"json"}), json=True)


def test_options_choose_rename_and_spread_fields() -> None:
    options = {
        "include": "id,name",
        "exclude": "name",
        "rename": ["id=key", "address=a"],
        "flatten": True,
        "omit_empty": True,
        "vectors": "text",
    }
    assert projection(CSV, "{*}", **options) == Projection(
        all=True,
        include=("id", "name"),
        exclude=("name",),
        rename=(("id", "key"), ("address", "a")),
        flatten=True,
        omit_empty=True,
        vectors="text",
    )


@cases(
    ("templates", "options", "says"),
    [
        (
            ["{missing}"],
            {},
            "--command '{missing}' uses {missing}, which one.csv (with 1 more file) does not have; it has",
        ),
        (["{tags[]}"], {}, "--command '{tags[]}' uses {tags}, which"),
        (["{a.b}"], {}, "--command '{a.b}' uses {a.b}, which"),
        (["{id}"], {"include": "nme"}, "--include names nme, which one.csv"),
        (["{id}"], {"exclude": "id,nme"}, "--exclude names nme, which one.csv"),
        (["{id}"], {"rename": "nme=x"}, "--rename names nme, which one.csv"),
        (
            ["{id}"],
            {"rename": "id=key"},
            "--command '{id}' uses {id}, which one.csv (with 1 more file) does not have",
        ),
        (["{id}"], {"rename": ["name=a", "name=b"]}, "--rename gives two names to the field name"),
    ],
)
def test_a_field_that_no_record_can_have_is_refused_and_those_there_are_named(
    templates: list[str], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        projection(CSV, *templates, **options)
    assert says in str(caught.value)


@cases(
    ("templates", "options"),
    [
        (["{address.city}"], {}),
        (["{*}"], {"exclude": "address.street"}),
        (["{key}"], {"rename": "id=key"}),
        (["{id}", "{name}"], {"rename": ["id=name", "name=id"]}),
        (["{city}"], {"rename": "address.city=city"}),
        # Fields of different files may be given one name: they may never meet.
        (["{x}"], {"rename": ["id=x", "name=x"]}),
        (["{name}"], {"rename": "id=name"}),
        (["{line}{json}{#}"], {}),
    ],
)
def test_a_field_that_records_have_or_may_have_is_accepted(
    templates: list[str], options: dict[str, Any]
) -> None:
    projection(CSV, *templates, **options)


@cases("names", [("one",), ("one", "two")])
@cases(
    ("templates", "options", "refused"),
    [
        (["{name}"], {"rename": "id=name"}, True),
        (["{*}"], {"rename": "id=name"}, True),
        (["{*}"], {"rename": ["id=x", "name=x"]}, True),
        (["{*}"], {"rename": "id=name", "exclude": "name"}, False),
        (["{*}"], {"rename": ["id=name", "name=id"]}, False),
    ],
)
def test_no_two_fields_of_one_file_are_given_one_name(
    templates: list[str], options: dict[str, Any], refused: bool, names: tuple[str, ...]
) -> None:
    source: Any = Named(CSV.fields, names)
    if refused and len(names) == 1:
        with pytest.raises(UsageError, match="two fields would be named"):
            projection(source, *templates, **options)
    else:
        projection(source, *templates, **options)


def test_where_only_the_records_tell_their_fields_any_may_be_named() -> None:
    projection(JSON, "{anything}", "{*}", include="a", exclude="b", rename="c=d")


def test_of_very_many_fields_some_are_named() -> None:
    many = source_with(*(f"f{number}" for number in range(1000)))
    with pytest.raises(UsageError, match=r"f19, \.\.\.$"):
        projection(many, "{x}")


def test_options_about_fields_that_nothing_uses_are_refused() -> None:
    for options in ({"include": "id"}, {"exclude": "id"}, {"flatten": True}, {"rename": "id=x"}):
        for source in (CSV, JSON):
            with pytest.raises(
                UsageError, match=r"^--(include|exclude|flatten|rename id=x) has no effect here"
            ):
                projection(source, "{name}", **options)
            projection(source, "{json}", **options)
            projection(source, "{*}", **options)


def test_an_unknown_field_is_explained_by_what_was_probably_meant() -> None:
    one = ("/data/users.csv",)
    told = {
        (
            "id;name;note",
        ): "users.csv does not have; it has: id;name;note. Wrong delimiter? Try --delimiter ';'",
        ("ident", "name"): "it has: ident, name. Did you mean {ident}?",
        ("ID", "name"): "it has: ID, name. Did you mean {ID}?",
        ("17", "Ada"): "it has: 17, Ada. Is the first line no header? Then give --no-header, or --fields",
        ("line",): "but users.csv is read as lines, which have {line} and {#} only; if it holds records",
    }
    for fields, says in told.items():
        name = "idnt" if "ident" in fields else "id"
        with pytest.raises(UsageError) as caught:
            projection(Named(fields, one), f"u:{{{name}}}")  # type: ignore[arg-type]
        assert f"--command 'u:{{{name}}}' uses {{{name}}}, " in str(caught.value)
        assert says in str(caught.value)
