"""From options to what a record becomes."""

from __future__ import annotations

from typing import Any

import pytest

from etl.encode.mapping import Expiry, RecordMapping
from etl.errors import UsageError
from etl.options import LoadOptions, VerifyOptions
from etl.pipeline.mapping import mapping_of
from etl.plan import Source
from etl.template import Milliseconds, Template
from tests.cases import cases
from tests.unit.encode.given import template
from tests.unit.pipeline.given import CSV, JSON, LINES, Named, source_with


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
        (JSON, {"as_": "list", "value": "{tags[]}"}, "list", "{tags[]}"),
        (JSON, {"as_": "set", "value": "x:{tags[]}"}, "set", "x:{tags[]}"),
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


def test_members_of_an_array_are_for_types_that_have_members() -> None:
    for kind in ("string", "json"):
        with pytest.raises(
            UsageError, match=r"--value '\{x\[\]\}' has .* the --value of a list, set or zset"
        ):
            mapping(JSON, as_=kind, value="{x[]}")
    with pytest.raises(UsageError, match=r"\{\*\}, which can only be an argument of a command"):
        mapping(JSON, as_="set", value="{*}")
    made = mapping(JSON, as_="zset", value="{members[]}", score="{scores[]}")
    assert made.value.lists | made.score.lists == {"members", "scores"}
    with pytest.raises(UsageError, match=r"--as zset takes the members of an array .* for an RDB file only"):
        made.encoder()
