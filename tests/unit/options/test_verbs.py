"""Options: declared once, and the parser, the keywords and the README's table derive from it."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import math
import pickle
import pydoc
from datetime import datetime, timedelta, timezone
from pathlib import Path
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
    SourceOptions,
    TargetOptions,
    VerifyOptions,
    add_options,
    flag,
    from_namespace,
    markdown_table,
    merged,
)
from etl.options import values as option_values
from etl.options.declare import Value, as_given, groups, option, options_class
from etl.rate import Rate
from etl.report import Budget
from etl.template import Field, Milliseconds, Template
from tests.cases import cases

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
]


def parser_for(kind: type[Options]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, kind)
    return parser


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
    assert titles == ["target options", "source options", "record options", "run options", "verify options"]
    texts = (parser_for(VerifyOptions).format_help(), markdown_table(VerifyOptions), str(etl.verify.__doc__))
    for text in texts:
        places = [text.lower().index(title) for title in titles]
        assert places == sorted(places)
    kinds = (TargetOptions, SourceOptions, RecordOptions, RunOptions)
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
    """Return an option as a command line has it; the numbers that are parsed as they are."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    return {Budget(count=10): "10", Budget(percent=0.5): "0.5%", Rate(5e7, "bytes"): "50MB"}.get(
        value := as_given(fields[name], getattr(options, name)), value
    )


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


@cases(
    ("name", "value"),
    [
        ("to", 6379),
        ("to", b"redis://host"),
        ("format", "xml"),
        ("as_", "bitmap"),
        ("key", 3),
        ("key", b"{#}"),
        ("value", 3),
        ("score", None),
        ("command", 3),
        ("command", [3]),
        ("command", None),
        ("include", ""),
        ("include", "a,,b"),
        ("exclude", "a,"),
        ("fields", ",a"),
        ("rename", "a"),
        ("rename", "=b"),
        ("rename", "a="),
        ("rename", ["a=b", "c"]),
        ("flatten", "yes"),
        ("vectors", "json"),
        ("vectors", None),
        ("delimiter", ""),
        ("delimiter", "ab"),
        ("delimiter", "\n"),
        ("delimiter", "\r"),
        ("delimiter", "ü"),
        ("quote", "''"),
        ("quote", "\n"),
        ("quote", None),
        ("sql", b"SELECT 1"),
        ("strip", "yes"),
        ("strip", None),
        ("strip", 1),
        ("pack", 1),
        ("pack", 513),
        ("pack", "many"),
        ("pack", 2.5),
        ("pack", True),
        ("workers", 0),
        ("workers", -1),
        ("workers", "0"),
        ("workers", "many"),
        ("workers", ""),
        ("workers", 2.7),
        ("workers", "2.7"),
        ("workers", True),
        ("workers", [1]),
        ("split", "line"),
        ("split", None),
        ("split", ["block"]),
        ("max_rejects", "-1"),
        ("max_rejects", -1),
        ("max_rejects", "some"),
        ("max_rejects", "101%"),
        ("max_rejects", 0.5),
        ("max_rejects", None),
        ("rejects", b"x"),
        ("progress", "loud"),
        ("start_method", "thread"),
        ("wire", "mset"),
        ("ttl", 0),
        ("ttl", -1),
        ("ttl", "soon"),
        ("ttl", math.nan),
        ("ttl", math.inf),
        ("ttl", 1e12),
        ("ttl", 10**400),
        ("ttl", True),
        ("ttl", 0.0001),
        ("ttl", "1 fortnight"),
        ("expire_at", "tomorrow"),
        ("expire_at", "2030-02-30"),
        ("expire_at", "1969-12-31"),
        ("expire_at", True),
        ("include", [3]),
        ("include", {"a": "b"}),
        ("include", ["a,b"]),
        ("rename", [3]),
        ("delimiter", 3),
        ("stall", "soon"),
        ("retry_for", -1),
        ("wait_lock", []),
        ("if_exists", "overwrite"),
    ],
)
def test_a_value_that_cannot_be_is_a_usage_error_that_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name.rstrip("_").replace("_", "[-_]")):
        LoadOptions(**{name: value})


@cases(
    ("name", "value", "parsed"),
    [
        ("command", "SADD a b", ("SADD a b",)),
        ("command", ["SADD a b", "SADD c d"], ("SADD a b", "SADD c d")),
        ("rename", "a=b", (("a", "b"),)),
        ("rename", iter(["a=b"]), (("a", "b"),)),
        ("rename", [("a", "b"), "c=d=e"], (("a", "b"), ("c", "d=e"))),
        ("delimiter", "\\t", "\t"),
        ("quote", "\\t", "\t"),
        ("rename", {"a": "b", "c": "d"}, (("a", "b"), ("c", "d"))),
        ("include", ["a", "b c"], ("a", "b c")),
        ("include", "a,b c,d.e", ("a", "b c", "d.e")),
        ("exclude", ("a",), ("a",)),
        ("fields", iter(["a", "b"]), ("a", "b")),
        ("max_record", "500kB", 500_000),
        ("stall", "90m", 5400.0),
        ("retry_for", timedelta(seconds=5), 5.0),
        ("wait_lock", "1.5", 1.5),
        ("keep_record", timedelta(days=1), 86_400.0),
        ("keep_record", "12h", 43_200.0),
        ("max_rejects", 5, Budget(count=5)),
        ("max_rejects", "0.5%", Budget(percent=0.5)),
        ("max_rejects", Budget(percent=1), Budget(percent=1)),
        ("max_rate", 5000, Rate(5000.0, "records")),
        ("max_rate", "1.5GB", Rate(1.5e9, "bytes")),
        ("max_rate", Rate(10.0, "bytes"), Rate(10.0, "bytes")),
        ("workers", "3", 3),
        ("pack", "512", 512),
    ],
)
def test_a_keyword_may_be_given_as_python_has_it(name: str, value: Any, parsed: Any) -> None:
    assert getattr(LoadOptions(**{name: value}), name) == parsed


@cases(
    ("name", "value", "text", "parts"),
    [
        ("ttl", timedelta(minutes=1), "60.0", (b"60000",)),
        ("ttl", "7d", "7d", (b"604800000",)),
        ("ttl", 3, "3", (b"3000",)),
        ("ttl", 1.5, "1.5", (b"1500",)),
        ("ttl", "{s}", "{s}", (Milliseconds(Template((Field("s"),))),)),
        ("expire_at", 1_900_000_000, "1900000000", (b"1900000000000",)),
        (
            "expire_at",
            datetime(2030, 1, 31, tzinfo=timezone.utc),
            "2030-01-31T00:00:00+00:00",
            (b"1896048000000",),
        ),
        ("expire_at", "{t}", "{t}", (Milliseconds(Template((Field("t"),)), absolute=True),)),
    ],
)
def test_an_expiry_is_its_text_and_the_milliseconds_that_it_means(
    name: str, value: Any, text: str, parts: tuple[Any, ...]
) -> None:
    expiry = getattr(LoadOptions(**{name: value}), name)
    assert (str(expiry), expiry.template.parts) == (text, parts)
    assert expiry.template.origin == f"--{name.replace('_', '-')} {text!r}"
    assert getattr(LoadOptions(**{name: expiry}), name) == expiry


def test_what_is_wrong_with_a_value_is_said_in_plain_words() -> None:
    """No message of Python's own, and always: the option, what it must be, and what it is."""
    time = "must be a time such as 30 (seconds), 1.5, 90m, 1h or 7d"
    for name, value, says in [
        ("workers", "abc", "--workers must be a whole number from 1, not 'abc'"),
        ("wait_replicas", "x", "--wait-replicas must be a whole number from 0, not 'x'"),
        ("pack", "1", "--pack must be a whole number from 2 to 512, not '1'"),
        ("stall", "x", f"--stall {time}, not 'x'"),
        ("ttl", "x", f"--ttl {time}, or a template, not 'x'"),
        (
            "max_rejects",
            "x",
            "--max-rejects must be a whole number from 0, or a percentage such as 0.5%, not 'x'",
        ),
        (
            "max_rate",
            "x",
            "--max-rate must be records a second (5000), or bytes a second (800kB, 50MB, 1.5GB)",
        ),
        (
            "as_",
            "hsh",
            "--as must be one of hash, json, list, set, stream, string, zset, not 'hsh'; did you mean hash?",
        ),
        ("rename", "a", "--rename must be OLD=NEW, not 'a'"),
        ("delimiter", "ab", "--delimiter must be one ASCII character, no line break, not 'ab'"),
        ("key", 3, "--key must be text (str), not 3"),
        ("ttl", "{", "--ttl '{' has a lone {; for the brace itself write it twice (column 1)"),
        ("ttl", "{{3}}", f"--ttl {time}, or a template, not '{{{{3}}}}'"),
        ("strip", 1, "--strip must be True or False, not 1"),
    ]:
        with pytest.raises(UsageError) as caught:
            merged(LoadOptions, None, {name: value})
        assert str(caught.value).startswith(says), str(caught.value)
    with pytest.raises(UsageError, match=r"there is no option 'worker'; did you mean workers"):
        merged(LoadOptions, None, {"worker": 3})


def test_an_option_that_may_be_given_many_times_is_empty_unless_it_is() -> None:
    namespace = parser_for(LoadOptions).parse_args([])
    assert namespace.command is None
    assert from_namespace(namespace, LoadOptions).command == ()
    for _ in range(2):  # one command line does not add to the next
        again = parser_for(LoadOptions).parse_args(["--command", "SADD a b"])
        assert from_namespace(again, LoadOptions).command == ("SADD a b",)


def test_as_is_called_so_on_the_command_line_and_as_with_a_dash_below_in_python() -> None:
    fields = {field.name: field for field in dataclasses.fields(LoadOptions)}
    assert flag(fields["as_"]) == "--as"
    assert flag(fields["omit_empty"]) == "--omit-empty"
    assert LoadOptions(as_="set").as_ == "set"
    with pytest.raises(UsageError, match=r"there is no option 'as'; did you mean as_"):
        merged(LoadOptions, None, {"as": "set"})


def test_a_keyword_that_is_no_option_is_a_usage_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no option 'tll'.*ttl"):
        merged(LoadOptions, None, {"tll": 3})


def test_keywords_are_put_on_top_of_options_and_checked_again() -> None:
    given = LoadOptions(key="a:{#}", workers=2)
    assert merged(LoadOptions, given, {"workers": 3}) == LoadOptions(key="a:{#}", workers=3)
    assert merged(LoadOptions, given, {}) == given
    with pytest.raises(UsageError):
        merged(LoadOptions, given, {"workers": 0})


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


def test_a_percent_sign_in_a_help_text_is_no_format() -> None:
    @options_class
    class Odd(Options):
        share: str = option(default="9%", help="100 % of it, %(default)s and %s", value=Value(metavar="N%"))

    text = " ".join(parser_for(Odd).format_help().split())
    assert "100 % of it, %(default)s and %s (default: 9%)" in text


def test_a_path_is_text_where_text_is_wanted() -> None:
    assert LoadOptions(key=Path("a/b")).key == "a/b"  # type: ignore[arg-type]


def test_somebody_elses_parser_takes_the_options_in_and_keeps_its_own() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    etl.add_arguments(parser)
    namespace = parser.parse_args(["--epochs", "3", "--key", "k:{#}", "--workers", "2", "--strip"])
    assert namespace.epochs == 3
    assert etl.from_args(namespace) == LoadOptions(key="k:{#}", workers=2, strip=True)
    assert "redis-etl: target options:" in parser.format_help()


def test_somebody_elses_script_chooses_the_type_and_the_commands_by_its_command_line() -> None:
    parser = argparse.ArgumentParser()
    etl.add_arguments(parser)
    words = ["--as", "zset", "--value", "{user}", "--score", "{points}", "--ttl", "{ttl}"]
    chosen = etl.from_args(parser.parse_args(words))
    assert chosen == LoadOptions(as_="zset", value="{user}", score="{points}", ttl="{ttl}")
    words = ["--command", "HSET u:{id} {*}", "--command", "SADD all {id}", "--rename", "a=b"]
    chosen = etl.from_args(parser.parse_args(words))
    assert chosen == LoadOptions(command=("HSET u:{id} {*}", "SADD all {id}"), rename={"a": "b"})
    assert etl.from_args(parser.parse_args([])) == LoadOptions()


def test_from_args_refuses_what_the_parser_let_through() -> None:
    parser = argparse.ArgumentParser()
    etl.add_arguments(parser)
    with pytest.raises(UsageError, match="--workers must be a whole number from 1, not 'x'"):
        etl.from_args(parser.parse_args(["--workers", "x"]))


def test_help_of_the_functions_shows_every_option() -> None:
    for function, kind in ((etl.load, LoadOptions), (etl.verify, VerifyOptions)):
        text = pydoc.plain(pydoc.render_doc(function))
        parameters = inspect.signature(function).parameters
        for field in dataclasses.fields(kind):
            assert field.metadata["help"] in text
            assert parameters[field.name].default == field.default
        assert list(parameters)[:2] == ["sources", "options"]


def test_the_longest_record_is_given_in_bytes_or_with_a_unit() -> None:
    sizes = {
        "1": 1,
        "500kB": 500_000,
        "64MB": 64_000_000,
        "1.5 MB": 1_500_000,
        "512MiB": 1 << 29,
        "2KiB": 2048,
    }
    for text, nbytes in sizes.items():
        assert option_values.record_bytes(text) == nbytes
    for text, reason in {
        "0": "from 1 byte to 512MiB",
        "513MiB": "to 512MiB",
        "much": "a size like",
        "1G": "a size",
    }.items():
        with pytest.raises(ValueError, match=reason):
            option_values.record_bytes(text)
