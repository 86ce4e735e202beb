"""From options to what a record becomes, and to what has to be read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from etl.encode.mapping import Expiry, RecordMapping
from etl.errors import UsageError
from etl.options import LoadOptions, VerifyOptions
from etl.pipeline.resolve import mapping_of, projection_of
from etl.plan import Projection, Source
from etl.template import Milliseconds, Template, parse_template
from tests.cases import cases
from tests.unit.encode.given import template


@dataclass(frozen=True, slots=True)
class Named:
    """A source of which nothing is known but its fields, and how many files it has."""

    fields: tuple[str, ...] | None
    names: tuple[str, ...] = ("/data/one.csv", "/data/two.csv")
    streamed: bool = True


def source_with(*fields: str) -> Source:
    return Named(fields)  # type: ignore[return-value]


LINES = source_with("line")
CSV = source_with("id", "name", "address")
JSON: Source = Named(None)  # type: ignore[assignment]


def mapping(source: Source = CSV, **options: Any) -> RecordMapping:
    key = {} if "command" in options else {"key": "{#}"}
    return mapping_of(LoadOptions(**(key | options)), source)


@cases(
    ("source", "options", "kind", "value"),
    [
        (LINES, {}, "string", "{line}"),
        (CSV, {}, "hash", "{json}"),
        (JSON, {}, "hash", "{json}"),
        (LINES, {"as_": "list"}, "list", "{line}"),
        (CSV, {"as_": "string"}, "string", "{json}"),
        (CSV, {"as_": "set", "value": "x{id}"}, "set", "x{id}"),
        (source_with("line", "b"), {}, "hash", "{json}"),
    ],
)
def test_lines_become_strings_and_records_with_fields_hashes_of_the_whole_record(
    source: Source, options: dict[str, Any], kind: str, value: str
) -> None:
    made = mapping(source, **options)
    assert (made.kind, made.value) == (kind, template(value))
    assert (made.key, made.score) == (template("{#}"), template("{score}"))
    assert (made.expiry, made.if_exists, made.commands) == (None, "replace", ())


@cases(
    ("options", "expiry"),
    [
        ({"ttl": 60}, Expiry("PX", Template((b"60000",)))),
        ({"ttl": "0.0015"}, Expiry("PX", Template((b"2",)))),
        ({"ttl": "90m"}, Expiry("PX", Template((b"5400000",)))),
        ({"ttl": "{name}"}, Expiry("PX", Template((Milliseconds(template("{name}")),)))),
        ({"expire_at": "{ts}"}, Expiry("PXAT", Template((Milliseconds(template("{ts}"), True),)))),
        ({"expire_at": "1700000000"}, Expiry("PXAT", Template((b"1700000000000",)))),
        ({"expire_at": "2030-01-31T12:00:00Z"}, Expiry("PXAT", Template((b"1896091200000",)))),
    ],
)
def test_expiries_are_in_milliseconds_whether_given_or_in_a_field(
    options: dict[str, Any], expiry: Expiry
) -> None:
    assert mapping(**options).expiry == expiry


def test_commands_stand_instead_of_a_type_and_merge_into_what_is_there() -> None:
    made = mapping(command=["HSET u:{id} {*}", "SADD all {id}"])
    assert [command.name for command in made.commands] == [b"HSET", b"SADD"]
    assert made.if_exists == "merge"
    assert made.prepass() is None


def test_verify_has_the_shape_of_the_load() -> None:
    assert mapping_of(VerifyOptions(as_="zset", key="k:{id}"), CSV) == mapping(as_="zset", key="k:{id}")


@cases(
    ("options", "says"),
    [
        (
            {"command": "SADD a {id}", "as_": "set"},
            "--as has no effect with --command: put it into the command itself",
        ),
        ({"command": "SADD a {id}", "value": "{id}"}, "--value has no effect"),
        ({"command": "SADD a {id}", "if_exists": "skip"}, "--if-exists has no effect"),
        ({"command": "SADD a {id}", "ttl": 3}, "--ttl has no effect"),
        ({"command": "SADD a {id}", "expire_at": "3"}, "--expire-at has no effect"),
        ({"command": "SADD a {id}", "key": "k:{id}"}, "--key has no effect"),
        ({"command": "SADD a {id}", "score": "{id}"}, "--score has no effect"),
        ({"command": "SADD a {id}", "wire": "hset"}, "--wire has no effect"),
        (
            {"value": "{id}"},
            "--value has no effect with --as hash, the default here: it is for --as json, list,",
        ),
        ({"as_": "hash", "value": "{id}"}, "--value has no effect with --as hash: it is for"),
        ({"as_": "stream", "value": "{id}"}, "--value has no effect with --as stream"),
        ({"as_": "string", "score": "{id}"}, "--score has no effect with --as string: it is for --as zset"),
        ({"as_": "list", "wire": "hset"}, "--wire has no effect with --as list"),
        ({"ttl": 3, "expire_at": "{ts}"}, "--ttl and --expire-at contradict"),
        ({"key": "k"}, "--key 'k' names no field: each hash would overwrite"),
        ({"key": "k", "as_": "string"}, "each string would overwrite"),
        ({"key": "k", "as_": "json"}, "each json would overwrite"),
        ({"key": "{"}, "--key '{' has a lone {"),
        ({"value": "{", "as_": "set"}, "--value '{' has a lone {"),
        ({"score": "{}", "as_": "zset"}, "--score '{}' has an empty field name"),
        ({"ttl": "{"}, "--ttl '{' has a lone {"),
        ({"expire_at": "}"}, "--expire-at '}' has a lone }"),
        ({"command": "FLUSHALL x"}, "FLUSHALL is refused"),
    ],
)
def test_options_that_contradict_each_other_are_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        mapping(**options)
    assert says in str(caught.value)


@pytest.mark.parametrize("kind", ["list", "set", "zset", "stream"])
def test_one_key_may_hold_many_records_where_it_can(kind: str) -> None:
    assert mapping(key="all", as_=kind).key.constant


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


def test_records_with_fields_need_a_key_and_one_is_proposed() -> None:
    proposals = {
        ("name", "id"): "for example --key 'one:{id}', or --key 'one:{#}', which numbers",
        ("name", "User_ID", "org_id"): "--key 'one:{User_ID}'",
        ("KEY", "x_id"): "--key 'one:{KEY}'",
        ("name", "idea"): "for example --key 'one:{#}', which numbers",
    }
    for fields, proposal in proposals.items():
        for kind in (None, "string", "list"):
            with pytest.raises(UsageError, match="records with fields need --key TEMPLATE") as caught:
                mapping_of(LoadOptions(as_=kind), source_with(*fields))
            assert proposal in str(caught.value)
    with pytest.raises(UsageError, match=r"--key 'record:{#}'"):
        mapping_of(LoadOptions(), Named(("a",), ("list",)))  # type: ignore[arg-type]
    assert mapping_of(LoadOptions(), LINES).key == template("{#}")
    assert mapping_of(LoadOptions(command=("SADD all {id}",)), CSV).commands


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
