"""Templates: literals and fields, and nothing else."""

from __future__ import annotations

import pytest

from etl.errors import UsageError
from etl.template import Field, parse_template
from tests.cases import cases


@cases(
    ("text", "parts"),
    [
        ("", ()),
        ("train", (b"train",)),
        ("{#}", (Field("#"),)),
        ("train:{#}", (b"train:", Field("#"))),
        ("{line}{#}", (Field("line"), Field("#"))),
        ("a{x}b{x}c", (b"a", Field("x"), b"b", Field("x"), b"c")),
        ("{{", (b"{",)),
        ("}}", (b"}",)),
        ("{{#}}", (b"{#}",)),
        ("etl:{{{job}}}:{#}", (b"etl:{", Field("job"), b"}:", Field("#"))),
        ("{a b}", (Field("a b"),)),
        ("{x.__class__}{y[0]}{z:>10}", (Field("x.__class__"), Field("y[0]"), Field("z:>10"))),
        ("%s$1\\n", (b"%s$1\\n",)),
        ("ключ:{#}", ("ключ:".encode(), Field("#"))),
        ("\udcff{#}", (b"\xff", Field("#"))),
        ("a\r\nb\0{#}", (b"a\r\nb\0", Field("#"))),
    ],
)
def test_a_template_is_read_as_literals_and_fields(text: str, parts: tuple[object, ...]) -> None:
    assert parse_template(text, option="--key").parts == parts


@cases(
    ("text", "column", "why"),
    [
        ("{", 1, "lone {"),
        ("}", 1, "lone }"),
        ("ab{#", 3, "lone {"),
        ("ab}c", 3, "lone }"),
        ("{}", 1, "empty field name"),
        ("a{}b", 2, "empty field name"),
        ("{{{#}", None, None),
        ("{{}", 3, "lone }"),
        ("{a{b}}", 1, "lone {"),
        ("{#}}", 4, "lone }"),
        ("ab\ud800", 3, "no Unicode"),
        ("{x}\udfff", 4, "no Unicode"),
    ],
)
def test_what_is_no_template_is_refused_and_the_column_named(
    text: str, column: int | None, why: str | None
) -> None:
    if column is None:
        assert parse_template(text, option="--key").fields == {"#"}
        return
    with pytest.raises(UsageError, match=rf"--key .*{why}.*\(column {column}\)"):
        parse_template(text, option="--key")


def test_fields_are_the_names_that_are_needed() -> None:
    assert parse_template("{a}:{b}:{a}:x", option="--key").fields == {"a", "b"}
    assert parse_template("x", option="--key").fields == frozenset()


def test_array_fields_are_named_by_themselves() -> None:
    parsed = parse_template("tag:{tags[]}", option="--command", argument=True)
    assert parsed.parts == (b"tag:", Field("tags", members=True))
    assert parsed.lists == {"tags"}
    assert parsed.fields == frozenset()
    assert parse_template("{a}{#}", option="--key").lists == frozenset()


@cases(
    ("text", "constant", "everything", "spreads"),
    [
        ("", True, False, False),
        ("x{{y", True, False, False),
        ("{#}", False, False, False),
        ("x{a}", False, False, False),
        ("{*}", False, True, True),
        ("{x[]}", False, False, True),
        ("a:{x[]}", False, False, True),
    ],
)
def test_a_template_says_whether_it_is_constant_and_whether_it_spreads(
    text: str, constant: bool, everything: bool, spreads: bool
) -> None:
    parsed = parse_template(text, option="--command", argument=True)
    assert (parsed.constant, parsed.everything, parsed.spreads) == (constant, everything, spreads)


@cases(
    ("text", "argument", "why"),
    [
        ("{*}", False, r"\{\*\}, which can only be an argument of a command by itself \(column 1\)"),
        ("ab{*}", True, r"\{\*\}, which can only be an argument .* \(column 3\)"),
        ("{*}{*}", True, "an argument of a command by itself"),
        ("{x[]}", False, r"\[\]\}, which can only stand in an argument of a command"),
        ("{x[]}{y}", True, "alone or with text"),
        ("{x[]}{y[]}", True, "alone or with text"),
        ("{[]}", True, "an empty field name"),
    ],
)
def test_what_gives_several_arguments_stands_where_several_can_be(
    text: str, argument: bool, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        parse_template(text, option="--key", argument=argument)


def test_brackets_in_the_middle_of_a_name_are_a_part_of_it() -> None:
    assert parse_template("{a[]b}", option="--key").fields == {"a[]b"}
    assert parse_template("{a[0]}", option="--key").lists == frozenset()
