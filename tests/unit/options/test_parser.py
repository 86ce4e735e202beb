"""Options in a parser, also somebody else's, and from keywords."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

import etl
from etl.errors import UsageError
from etl.options import (
    LoadOptions,
    Options,
    flag,
    from_namespace,
    merged,
)
from etl.options.declare import Value, option, options_class
from tests.unit.options.given import parser_for


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


def test_a_percent_sign_in_a_help_text_is_no_format() -> None:
    @options_class
    class Odd(Options):
        share: str = option(default="9%", help="100 % of it, %(default)s and %s", value=Value(metavar="N%"))

    text = " ".join(parser_for(Odd).format_help().split())
    assert "100 % of it, %(default)s and %s (default: 9%)" in text


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
