"""Templates: literals and fields, and nothing else."""

from __future__ import annotations

import pytest

from etl.errors import UsageError
from etl.template import Field, parse_template


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


def test_a_field_that_no_record_has_is_refused_and_the_ones_there_are_named() -> None:
    with pytest.raises(UsageError, match=r"--key names the field \{id\}.*they have \{line\}, \{#\}"):
        parse_template("{id}", option="--key").require(("line",), option="--key")


def test_known_fields_and_the_number_are_accepted() -> None:
    parse_template("{line}{#}", option="--key").require(("line",), option="--key")
