"""JSON documents are compared as text, then as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.choose import checker
from etl.plan import BatchResult
from etl.sink.error_replies import error_reply
from tests.cases import cases
from tests.unit.encode.given import batch_of, commands_in, commands_shape, expected_in, load, mapping_of, send
from tests.unit.encode.model import Document, Model

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def judged(wanted: bytes, reply: Any, *, if_exists: str = "replace") -> BatchResult:
    encoder = checker(mapping_of("json", key="k", value="{json}", if_exists=if_exists))
    batch = batch_of(json=[wanted])
    return encoder.read_replies(batch, encoder.encode(batch), [reply])


@cases(
    ("wanted", "reply"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{"a": 1, "b": [1, 2]}', b'{"b":[1,2],"a":1}'),
        (b"1.10", b"1.1"),
        (b"1", b"1.0"),
        (b"1e2", b"100.0"),
        (b"-0", b"0"),
        (b'"\\u00fc"', '"ü"'.encode()),
        (b"12345678901234567890123", b"1.2345678901234568e+22"),
        (b"9" * 5000, b"9" * 5000),
        (b"[" + b"9" * 4400 + b"]", b"[" + b"9" * 4400 + b" ]"),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b"no json", b"no json"),
    ],
)
def test_equal_as_json_is_equal(wanted: bytes, reply: bytes) -> None:
    assert judged(wanted, reply).equal == 1


@cases(
    ("wanted", "reply"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b'{"a":1}', b'{"a":1,"b":2}'),
        (b'{"a":1,"b":2}', b'{"a":1}'),
        (b"[1,2]", b"[2,1]"),
        (b"[1]", b"[1,1]"),
        (b"1", b'"1"'),
        (b"1", b"true"),
        (b"0", b"false"),
        (b"0", b"null"),
        (b"[]", b"{}"),
        (b"12345678901234567890", b"12345678901234567891"),
        (b"no json", b'"no json"'),
        (b"1", b"\xff"),
        (b"[" * 100_000, b"1"),
        (b"[" * 900 + b"]" * 900, b"[" * 900 + b" 1" + b"]" * 900),
    ],
)
def test_what_is_not_equal_as_json_is_different(wanted: bytes, reply: bytes) -> None:
    result = judged(wanted, reply)
    assert (result.equal, result.different) == (0, 1)


@pytest.mark.parametrize("reply", [Exception("ERR Path '.a' does not exist"), None])
def test_no_document_and_no_path_are_missing(reply: Any) -> None:
    assert judged(b"1", reply).missing == 1


@pytest.mark.parametrize("said", ["WRONGTYPE Operation", "Existing key has wrong Redis type"])
def test_a_value_of_another_type_is_different(said: str) -> None:
    (difference,) = judged(b"1", error_reply(said)).differences
    assert (difference.key, difference.found) == (b"k", b"a value of another type")


@cases(
    ("patch", "document", "equal"),
    [
        (b'{"a":1}', b'{"a":1,"b":2}', True),
        (b'{"a":{"b":1}}', b'{"a":{"b":1,"c":2},"d":3}', True),
        (b'{"a":null}', b'{"b":2}', True),
        (b'{"a":null}', b'{"a":null}', True),
        (b'{"a":null}', b'{"a":0}', False),
        (b'{"a":1}', b'{"a":2,"b":2}', False),
        (b'{"a":{"b":1}}', b'{"a":1}', False),
        (b'{"a":[1]}', b'{"a":[1,2]}', False),
        (b"[1]", b"[1]", True),
    ],
)
def test_after_a_merge_only_what_the_record_has_counts(patch: bytes, document: bytes, equal: bool) -> None:
    assert judged(patch, document, if_exists="merge").equal == equal


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [("$.a", [b"JSON.GET", b"k:1", b"$.a"], b"[5]"), (".a", [b"JSON.GET", b"k:1", b".a"], b"5")],
)
def test_a_path_is_asked_for_and_every_match_of_it_compared(
    path: str, asked: list[bytes], expected: bytes
) -> None:
    batch = batch_of({"id": [b"1"], "n": [b"5"]})
    mapping = commands_shape(f"JSON.SET k:{{id}} {path} {{n}}")
    wire = checker(mapping).encode(batch)
    assert (commands_in(wire), expected_in(wire)) == ([asked], [expected])
    model = Model()
    assert send(checker(mapping), batch, model).missing == 1
    model.keys[b"k:1"] = Document({"b": 1})
    assert send(checker(mapping), batch, model).missing == 1
    load(mapping, batch, model)
    assert send(checker(mapping), batch, model).equal == 1
    model.keys[b"k:1"].value["a"] = 6
    assert send(checker(mapping), batch, model).different == 1
    assert checker(mapping).read_replies(batch, wire, [b"[5,5]" if path == "$.a" else b"5.0"]).equal == 1
    assert checker(mapping).read_replies(batch, wire, [b"[5,6]" if path == "$.a" else b"6"]).different == 1


@given(VALUES, st.booleans())
def test_any_document_is_equal_to_itself_however_it_is_written(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=ascii_only, sort_keys=True).encode(
        "utf-8", "surrogatepass"
    )
    again = json.dumps(value).encode()
    assert judged(text, again).equal == 1


@given(VALUES, VALUES)
def test_two_documents_are_equal_just_when_their_values_are(one: Any, other: Any) -> None:
    def plain(value: Any) -> Any:
        """Tell true from 1, which Python does not."""
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, bool):
            return ("bool", value)
        return float(value) if isinstance(value, int) and abs(value) < 2**53 else value

    result = judged(json.dumps(one).encode(), json.dumps(other).encode())
    if plain(one) == plain(other):
        assert result.equal == 1
    elif json.dumps(plain(one)) != json.dumps(plain(other)) and not _huge(one) and not _huge(other):
        assert result.different == 1


def _huge(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_huge, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and abs(value) >= 2**53
