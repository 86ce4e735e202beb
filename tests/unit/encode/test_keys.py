"""Which templates make keys that are unique, and what of a key tells it from others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.encode.keys import identity_column, keys_are_unique
from etl.encode.resp.columns import key_column
from etl.template import NUMBER, Field, Template
from tests.cases import cases
from tests.examples import examples
from tests.unit.encode.given import batch_of, template


@cases(
    ("text", "unique"),
    [
        ("{#}", True),
        ("train:{#}", True),
        ("1{#}1", True),
        ("{#}{#}", False),  # the numbers 1 and 11 end and begin alike; it happens to be unique, but who knows
        ("{#}-{#}", True),
        ("k:{#}:{name}", True),
        ("k:{#}{name}", False),
        ("k:{#}0{name}", False),
        ("{name}:{#}", True),
        ("{name}0{#}", False),
        ("{name}{#}", False),
        ("{name}:{#}:{name}", False),
        ("{name}:{#}1", True),
        ("{id}", False),
        ("constant", False),
    ],
)
def test_keys_are_unique_where_the_number_can_be_read_back(text: str, unique: bool) -> None:
    assert keys_are_unique(template(text)) == unique


PARTS = st.sampled_from([b"", b"a", b"0", b"1a", b"a1", Field(NUMBER), Field(NUMBER), Field("x"), Field("y")])


@given(st.lists(PARTS, min_size=1, max_size=5), st.data())
@examples(20)
def test_no_two_records_have_one_key_where_keys_are_unique(
    parts: Sequence[bytes | Field], data: st.DataObject
) -> None:
    key = Template(tuple(part for part in parts if part != b""))
    if not keys_are_unique(key):
        return
    texts = st.text("01a", max_size=2)
    numbers = data.draw(st.lists(st.integers(0, 130), min_size=2, max_size=20, unique=True))
    keys = {b"".join(_text(part, number, data.draw(texts)) for part in key.parts) for number in numbers}
    assert len(keys) == len(numbers)


def _text(part: object, number: int, text: str) -> bytes:
    if isinstance(part, bytes):
        return part
    return str(number).encode() if part == Field(NUMBER) else text.encode()


def test_what_identifies_a_key_is_equal_where_keys_are_and_nowhere_else() -> None:
    texts = [b"", b"a", b"b", b"ab", b"a:b", b":", b"aa"]
    pairs = list(product(texts, texts))
    batch = batch_of({"x": [x for x, _ in pairs], "y": [y for _, y in pairs]}, first=7)
    for text in ("{x}", "k:{x}", "{x}{x}", "{x}:{x}", "{x}{y}", "{x}:{y}", "{#}", "k"):
        keys = key_column(template(text), batch).to_pylist()
        identities = identity_column(template(text), batch)
        assert identities.type == pa.binary()
        found = identities.to_pylist()
        assert len(set(zip(keys, found, strict=True))) == len(set(keys)) == len(set(found)), text
