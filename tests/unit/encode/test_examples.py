"""The example record: every encoder makes of it the commands that it sends in a load."""

from __future__ import annotations

from dataclasses import replace

from etl.encode.choose import checker
from etl.encode.examples import EXAMPLE, CommandArgs, examples, expires
from etl.encode.mapping import Expiry, RecordMapping
from etl.encode.rdb.hashes import LISTPACK
from etl.plan import Encoder
from tests.cases import cases
from tests.unit.encode.given import mapping_of, template

A_MINUTE = Expiry("PX", template("60000"))
A_FIELD = Expiry("EXAT", template("{at}"))


def encoders_of(mapping: RecordMapping) -> list[Encoder]:
    before = mapping.prepass()
    return [mapping.encoder(), *([before] if before else [])]


def names(*encoders: Encoder) -> set[str]:
    return {command[0].decode() for command in examples(encoders)}


@cases(
    ("mapping", "sent"),
    [
        (mapping_of("string"), {"MSET"}),
        (mapping_of("string", expiry=A_MINUTE), {"SET"}),
        (mapping_of("string", if_exists="skip"), {"SET"}),
        (mapping_of("hash"), {"DEL", "HSET"}),
        (mapping_of("hash", expiry=A_FIELD), {"DEL", "HSET", "EXPIREAT"}),
        (mapping_of("hash", if_exists="merge"), {"HSET"}),
        (mapping_of("hash", if_exists="skip"), {"HSET", "EXISTS"}),
        (replace(mapping_of("hash"), restores=LISTPACK), {"RESTORE"}),
        (mapping_of("json", value="{json}"), {"JSON.SET"}),
        (mapping_of("json", value="{json}", if_exists="merge"), {"JSON.MERGE"}),
        (mapping_of("list"), {"RPUSH", "DEL"}),
        (mapping_of("set", key="all", expiry=A_MINUTE), {"SADD", "DEL", "PEXPIRE"}),
        (mapping_of("zset", key="all"), {"ZADD", "DEL"}),
        (mapping_of("stream", if_exists="fail"), {"XADD", "EXISTS"}),
        (replace(mapping_of("string", key="k:{#}"), pack=16), {"HSET", "PERSIST"}),
        (replace(mapping_of("string", key="k:{#}"), pack=16, if_exists="merge"), {"HSET"}),
        (mapping_of("", "SADD a {x[]}", "hset b {*}"), {"SADD", "HSET"}),
        (mapping_of("", "ZADD a {x[]}"), {"ZADD"}),
        (mapping_of("", "GEOADD a {x[]}"), {"GEOADD"}),
    ],
)
def test_the_example_has_every_command_of_a_load(mapping: RecordMapping, sent: set[str]) -> None:
    assert names(*encoders_of(mapping)) == sent


@cases(
    ("mapping", "sent"),
    [
        (mapping_of("string"), {"MGET"}),
        (mapping_of("hash"), {"HLEN", "HMGET"}),
        (mapping_of("json", value="{json}"), {"JSON.GET"}),
        (mapping_of("zset"), {"ZSCORE"}),
        (mapping_of("", "ZADD a {x[]}"), {"ZMSCORE"}),
        (replace(mapping_of("string", key="k:{#}"), pack=16), {"HMGET"}),
    ],
)
def test_the_example_has_the_commands_of_a_check(mapping: RecordMapping, sent: set[str]) -> None:
    assert names(checker(mapping)) == sent


def test_the_words_of_a_command_are_those_of_the_example_record() -> None:
    mapping = mapping_of("", "sadd 'all\r\n{city}' {id} {#}")
    assert examples([mapping.encoder()]) == ((b"SADD", b"all\r\n" + EXAMPLE, EXAMPLE, b"0"),)


def test_a_key_of_literals_and_the_records_number_is_the_first_records_own() -> None:
    assert examples([mapping_of("string", key="k:{#}").encoder()]) == ((b"MSET", b"k:0", EXAMPLE),)
    assert examples([mapping_of("string", key="k:{id}").encoder()]) == ((b"MSET", b"k:" + EXAMPLE, EXAMPLE),)


def test_a_command_is_there_once() -> None:
    mapping = mapping_of("string")
    assert len(examples([mapping.encoder(), mapping.encoder()])) == 1
    assert examples([]) == ()


def test_where_no_example_can_be_made_there_is_none() -> None:
    # An expiry with text around its number is for the records to decide.
    mapping = mapping_of("hash", expiry=Expiry("EX", template("in {at} s")))
    assert examples([mapping.encoder()]) == ()


@cases(
    ("command", "expected"),
    [
        ((b"SET", b"k", b"v"), False),
        ((b"SET", b"EX", b"PX"), False),
        ((b"SET", b"k", b"v", b"NX"), False),
        ((b"SET", b"k", b"v", b"NX", b"ex", b"5"), True),
        ((b"SET", b"k", b"v", b"PXAT", b"5"), True),
        ((b"RESTORE", b"k", b"0", b"x", b"REPLACE"), False),
        ((b"RESTORE", b"k", b"5", b"x"), True),
        ((b"SETEX", b"k", b"5", b"v"), True),
        ((b"PEXPIREAT", b"k", b"5"), True),
        ((b"MSET", b"k", b"EX"), False),
        ((b"PERSIST", b"k"), False),
    ],
)
def test_commands_that_give_a_key_an_expiry_are_known(command: CommandArgs, expected: bool) -> None:
    assert expires(command) is expected


@cases("expiry", [A_MINUTE, A_FIELD, None])
@cases("kind", ["string", "hash", "list", "restore", "pack"])
def test_a_load_with_an_expiry_is_known_by_its_example(kind: str, expiry: Expiry | None) -> None:
    if kind == "pack":
        constant = Expiry("EXAT", template("2000000000")) if expiry is A_FIELD else expiry
        mapping = replace(mapping_of("string", key="{#}", expiry=constant), pack=16)
    else:
        mapping = mapping_of("hash" if kind == "restore" else kind, expiry=expiry)
        mapping = replace(mapping, restores=LISTPACK if kind == "restore" else None)
    assert any(map(expires, examples(encoders_of(mapping)))) == (expiry is not None)
