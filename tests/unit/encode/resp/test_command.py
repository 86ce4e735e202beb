"""Command templates: words as in a shell, and commands that no load needs."""

from __future__ import annotations

import pytest

from etl.encode.resp.command import command, parse_command
from etl.encode.resp.refused_commands import REFUSED
from etl.errors import UsageError
from etl.template import Field, Template
from tests.cases import cases
from tests.unit.encode.given import template


def test_words_are_quoted_as_in_a_shell() -> None:
    parsed = parse_command("""hset 'user: {id}' "full name" {name}\\ x '' {{{a}}} {*} {t[]}""")
    assert parsed.name == b"HSET"
    assert parsed.arguments == (
        template("user: {id}"),
        template("full name"),
        template("{name} x"),
        Template(()),
        template("{{{a}}}"),
        Template((Field("*"),)),
        Template((Field("t", members=True),)),
    )


@cases(
    ("text", "why"),
    [
        ("", "is empty: it is a Redis command such as 'SADD city:{city} {id}'"),
        ("   ", "is empty"),
        ("'' a", "is empty"),
        ("SET 'a", "no closing quotation"),
        ("SET a\\", "no escaped character"),
        ("{cmd} a b", "the command's name cannot come from data"),
        ("S{x}T a b", "the command's name cannot come from data"),
        ("{*} a", "the command's name cannot come from data"),
        ("SET", "SET needs a key"),
        ("SET {a", "a lone {"),
        ("SET k a{*}", "an argument of a command by itself"),
        ("SET k {a}{b[]}", "alone or with text"),
        ("flushall now", "FLUSHALL is refused; a load only writes keys"),
        ("'CONFIG' SET a b", "CONFIG is refused"),
    ],
)
def test_what_is_no_command_of_a_load_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command(text)
    assert why in str(caught.value)
    assert str(caught.value).startswith("--command")


@cases("name", sorted(REFUSED))
def test_a_refused_command_is_refused_however_it_is_written(name: str) -> None:
    for spelling in (name, name.lower(), name.title(), f"'{name}'"):
        with pytest.raises(UsageError, match="is refused"):
            parse_command(f"{spelling} a b")


WORST = """
    FLUSHALL FLUSHDB CONFIG EVAL EVALSHA EVAL_RO SCRIPT FUNCTION FCALL SHUTDOWN DEBUG SAVE BGSAVE BGREWRITEAOF
    REPLICAOF SLAVEOF FAILOVER MODULE ACL CLIENT CLUSTER MIGRATE KEYS SCAN MONITOR SUBSCRIBE PSUBSCRIBE MULTI
    EXEC DISCARD WATCH WAIT WAITAOF BLPOP BRPOP BLMOVE BLMPOP BZMPOP BZPOPMIN BRPOPLPUSH XREAD XREADGROUP
    SELECT AUTH HELLO QUIT RESET SWAPDB SYNC PSYNC READONLY ASKING INFO TFCALL FT.DROPINDEX POST HOST:
"""


@cases("name", WORST.split())
def test_the_worst_are_among_the_refused(name: str) -> None:
    assert name in REFUSED


@cases(
    ("text", "flags"),
    [
        ("ZADD z {s} {m}", ()),
        ("ZADD z nx Ch {s} {m}", (b"NX", b"CH")),
        ("ZADD z GT 1 NX", (b"GT",)),
        ("ZADD z {f} NX 1 a", ()),
        ("GEOADD g XX {a} {b} {m}", (b"XX",)),
        ("SADD s NX {m}", ()),
        ("ZADD z", ()),
    ],
)
def test_flags_stand_between_the_key_and_the_members(text: str, flags: tuple[bytes, ...]) -> None:
    assert parse_command(text).flags == flags


def test_a_command_can_be_made_of_templates() -> None:
    made = command("del", template("k:{id}"))
    assert (made.name, made.arguments, made.flags) == (b"DEL", (template("k:{id}"),), ())
