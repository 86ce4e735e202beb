"""SET with an expiry or a condition: one command and one reply a record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.encode.strategies.set import SetEncoder
from etl.sink.error_replies import error_reply
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, expected_in, lines_batch, template

OOM = error_reply("OOM command not allowed")


def encoder(expiry: str = "", if_exists: str = "replace") -> SetEncoder:
    words = tuple(template(word) for word in expiry.split())
    return SetEncoder(template("k:{#}"), template("{line}"), words, if_exists)


@given(lines=st.lists(st.binary(max_size=40), max_size=20), first=st.integers(0, 10**12))
@cases(
    ("expiry", "if_exists", "tail"),
    [
        ("", "replace", []),
        ("PX 1", "replace", [b"PX", b"1"]),
        ("PX 1500", "skip", [b"PX", b"1500", b"NX"]),
        ("", "skip", [b"NX"]),
        ("", "fail", [b"NX"]),
        ("EXAT 100000000000000", "fail", [b"EXAT", b"100000000000000", b"NX"]),
    ],
)
def test_the_wire_decodes_to_a_set_a_record(
    expiry: str, if_exists: str, tail: list[bytes], lines: list[bytes], first: int
) -> None:
    wire = encoder(expiry, if_exists).encode(lines_batch(lines, first))
    assert commands_in(wire) == [
        [b"SET", b"k:%d" % number, line, *tail] for number, line in enumerate(lines, first)
    ]
    assert list(wire.boundaries) == list(range(len(lines) + 1))
    assert expected_in(wire) == [b"OK"] * len(lines)


def test_a_megabyte_and_an_empty_value_are_sent_whole() -> None:
    lines = [b"", b"x" * (1 << 20), b""]
    wire = encoder().encode(lines_batch(lines))
    assert [command[2] for command in commands_in(wire)] == lines


@cases(
    ("if_exists", "replies", "written", "skipped", "refused"),
    [
        ("replace", None, 3, 0, []),
        ("skip", None, 3, 0, []),
        ("replace", [b"OK"] * 3, 3, 0, []),
        ("skip", [b"OK", None, None], 1, 2, []),
        ("skip", [None, None, None], 0, 3, []),
        ("fail", [b"OK", None, b"OK"], 2, 0, [1]),
        ("fail", [None, None, None], 0, 0, [0, 1, 2]),
        ("replace", [None, b"OK", b"OK"], 2, 0, [0]),
        ("skip", [OOM, None, b"OK"], 1, 1, [0]),
        ("skip", [b"old", None, b"OK"], 1, 1, [0]),
        ("replace", [OOM, OOM, OOM], 0, 0, [0, 1, 2]),
        ("fail", [1, [], b"OK"], 1, 0, [0, 1]),
    ],
)
def test_every_kind_of_reply_has_its_meaning(
    if_exists: str, replies: list[object] | None, written: int, skipped: int, refused: list[int]
) -> None:
    batch = lines_batch([b"a", b"b", b"c"])
    read_replies = encoder(if_exists=if_exists)
    result = read_replies.read_replies(batch, read_replies.encode(batch), replies)
    assert (result.written, result.skipped) == (written, skipped)
    assert [refusal.index for refusal in result.refusals] == refused
    assert written + skipped + len(refused) == 3


def test_a_refusal_says_why() -> None:
    batch = lines_batch([b"a", b"b", b"c"])
    read_replies = encoder(if_exists="fail")
    result = read_replies.read_replies(batch, read_replies.encode(batch), [None, OOM, b"odd"])
    assert [refusal.reason for refusal in result.refusals] == ["its key exists", OOM, "SET answered b'odd'"]


def test_an_expiry_from_a_field_is_sent_and_has_to_be_a_positive_whole_number() -> None:
    encoder = SetEncoder(template("{id}"), template("{id}"), (template("EX"), template("{ttl}")), "replace")
    texts = [b"1", b"0", b"-1", b"007", b"1.5", b"", None, b"999999999999999", b"1\n", b"1000000000000000"]
    batch = batch_of({"id": [b"k%d" % number for number in range(len(texts))], "ttl": texts})
    good, refusals = encoder.split_encodable(batch)
    assert commands_in(encoder.encode(good)) == [
        [b"SET", b"k0", b"k0", b"EX", b"1"],
        [b"SET", b"k7", b"k7", b"EX", b"999999999999999"],
    ]
    assert [refusal.index for refusal in refusals] == [1, 2, 3, 4, 5, 6, 8, 9]
    assert {refusal.reason for refusal in refusals if refusal.index != 6} == {
        "its expiry is no positive whole number"
    }
    assert refusals[5].reason == "it has no field {ttl}"
