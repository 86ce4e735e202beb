"""Options: declared once, and the parser, the keywords and the README's table derive from it."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import pydoc
from typing import Any

import pytest

import etl
from etl.errors import UsageError
from etl.options import (
    DEFAULT_URL,
    LoadOptions,
    Options,
    RecordOptions,
    RunOptions,
    ShardOptions,
    SourceOptions,
    TargetOptions,
    VerifyOptions,
    flag,
    from_namespace,
    markdown_table,
)
from etl.options.declare import as_given, groups
from tests.cases import cases
from tests.unit.options.given import parser_for

KINDS: tuple[type[Options], ...] = (LoadOptions, VerifyOptions)

SECRET = "s3cr3t-Marker"

GOOD: list[tuple[str, Any]] = [
    ("to", "redis://host:1/2"),
    ("user", "loader"),
    ("password_file", "secret.txt"),
    ("ask_password", True),
    ("tls_insecure", True),
    ("format", "csv"),
    ("as_", "zset"),
    ("key", "train:{#}"),
    ("value", "{name}"),
    ("pack", 128),
    ("job", "nightly train"),
    ("restart", True),
    ("keep_record", 5400.0),
    ("skip_unchanged", True),
    ("wait_lock", 1.5),
    ("stall", 0.0),
    ("max_rate", "50MB"),
    ("replace_all", True),
    ("listen", "10.0.0.7:7000"),
    ("memory", 64_000_000),
    ("wait_replicas", 2),
    ("retry_for", 0.25),
    ("score", "{age}"),
    ("command", ("SADD city:{city} {id}", "HSET user:{id} {*}")),
    ("command", ("SADD all {id}",)),
    ("include", "a,b"),
    ("exclude", "a.b"),
    ("rename", ("a=b", "c.d==")),
    ("flatten", True),
    ("omit_empty", True),
    ("vectors", "text"),
    ("fields", "id,name,a b"),
    ("no_header", True),
    ("delimiter", "|"),
    ("delimiter", "\t"),
    ("quote", "'"),
    ("quote", ""),
    ("sql", "SELECT 1"),
    ("database", "sqlite:x.db"),
    ("if_exists", "skip"),
    ("if_exists", "merge"),
    ("strip", True),
    ("max_record", 1_000_000),
    ("workers", 3),
    ("runner", "processes"),
    ("plan", "plan.json"),
    ("shard", "3/16"),
    ("shards", 16),
    ("shared_path", True),
    ("split", "record"),
    ("max_rejects", "10"),
    ("max_rejects", "0.5%"),
    ("rejects", "bad.jsonl"),
    ("progress", "none"),
    ("start_method", "spawn"),
    ("wire", "hset"),
    ("ttl", "1.5"),
    ("ttl", "{seconds}"),
    ("expire_at", "{ts}"),
    ("expire_at", "2030-01-31T12:00:00Z"),
    ("allow_eviction", True),
    ("rdb_version", "9"),
    ("slots_of", "redis://host:1"),
    ("aof", True),
    ("at_least_once", True),
]


def argv_of(name: str, value: Any) -> list[str]:
    switch = "--" + name.rstrip("_").replace("_", "-")
    if value is True:
        return [switch]
    return [
        word for text in (value if isinstance(value, tuple) else (value,)) for word in (switch, str(text))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_in_the_parser_in_the_help_and_in_the_table(kind: type[Options]) -> None:
    parser = parser_for(kind)
    text = " ".join(parser.format_help().split())
    table = markdown_table(kind)
    for field in dataclasses.fields(kind):
        assert flag(field) in text
        assert f"| `{flag(field)}" in table
        assert field.metadata["help"] in table
        if kind is LoadOptions or not field.metadata["writes"]:
            assert field.metadata["help"].split()[-1] in text
    assert len(table.splitlines()) == 2 + len(groups(kind)) + len(dataclasses.fields(kind))


def test_options_stand_in_groups_in_the_help_in_the_table_and_in_the_docstring() -> None:
    titles = [title for title, _ in groups(VerifyOptions)]
    subjects = ("target", "source", "record", "run", "shard", "verify")
    assert titles == [f"{subject} options" for subject in subjects]
    texts = (parser_for(VerifyOptions).format_help(), markdown_table(VerifyOptions), str(etl.verify.__doc__))
    for text in texts:
        places = [text.lower().index(title) for title in titles]
        assert places == sorted(places)
    kinds = (TargetOptions, SourceOptions, RecordOptions, RunOptions, ShardOptions)
    names = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    assert names == [field.name for field in dataclasses.fields(LoadOptions)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_line_without_options_gives_the_defaults(kind: type[Options]) -> None:
    assert from_namespace(parser_for(kind).parse_args([]), kind) == kind()


@cases(("name", "value"), GOOD)
def test_an_option_on_the_command_line_is_the_same_as_its_keyword(name: str, value: Any) -> None:
    namespace = parser_for(LoadOptions).parse_args(argv_of(name, value))
    from_line = from_namespace(namespace, LoadOptions)
    assert from_line == LoadOptions(**{name: value})
    assert text_of(from_line, name) == value


def text_of(options: Options, name: str) -> Any:
    """Return an option as a command line has it, numbers as numbers."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    return as_given(fields[name], getattr(options, name))


def test_every_option_has_a_good_value_in_these_tests() -> None:
    assert {name for name, _ in GOOD} == {field.name for field in dataclasses.fields(LoadOptions)}


def test_a_verify_takes_every_option_of_a_load() -> None:
    for name, value in GOOD:
        namespace = parser_for(VerifyOptions).parse_args(argv_of(name, value))
        assert text_of(from_namespace(namespace, VerifyOptions), name) == value


def test_what_only_says_how_data_are_written_has_no_effect_on_a_verify_and_its_help_says_so() -> None:
    writes = {field.name for field in dataclasses.fields(LoadOptions) if field.metadata["writes"]}
    assert {"wire", "rejects", "restart", "allow_eviction"} < writes
    assert parser_for(VerifyOptions).format_help().count("no effect: this only reads") == len(writes)
    assert "no effect" not in parser_for(LoadOptions).format_help()


def test_the_url_is_the_option_then_the_environment_then_the_default() -> None:
    environment = {"REDIS_URL": "redis://from-environment"}
    assert TargetOptions(to="redis://given").url(environment) == "redis://given"
    assert TargetOptions().url(environment) == "redis://from-environment"
    assert TargetOptions().url({"REDIS_URL": ""}) == DEFAULT_URL
    assert TargetOptions().url({}) == DEFAULT_URL


def test_no_repr_and_no_error_of_options_shows_the_url() -> None:
    assert SECRET not in repr(LoadOptions(to=f"redis://:{SECRET}@host"))
    with pytest.raises(UsageError) as caught:
        LoadOptions(to=f"redis://:{SECRET}@host".encode())  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def test_options_pickle_and_cannot_be_changed() -> None:
    options = LoadOptions(to="redis://host", ttl="3", command=("SADD a b",))
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301 - made in the line itself
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.key = "x"


def test_help_of_the_functions_shows_every_option() -> None:
    for function, kind in ((etl.load, LoadOptions), (etl.verify, VerifyOptions)):
        text = pydoc.plain(pydoc.render_doc(function))
        parameters = inspect.signature(function).parameters
        for field in dataclasses.fields(kind):
            assert field.metadata["help"] in text
            assert parameters[field.name].default == field.default
        assert list(parameters)[:2] == ["sources", "options"]
