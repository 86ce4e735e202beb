"""A field's text does not depend on what else is read: passes over the keys read less than the load does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.pipeline.projection import for_templates
from etl.plan import Projection
from etl.source.csv.format import Csv
from etl.source.json.lines import Jsonl
from etl.source.text.format import TextFormat
from tests.examples import examples
from tests.unit.given import source_of, template

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**20),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["", "é", "\\"]),
)
VALUES = st.recursive(
    SCALARS, lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=2), some, max_size=2)
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"id": VALUES, "a.b": VALUES, "x": VALUES, "a": VALUES, "line": SCALARS}
)
LINES = st.one_of(
    OBJECTS.map(json.dumps), st.sampled_from(["", "{", "3", '{"id": 1, "id": 2}', '{"id": 1.10, "x": [1]}'])
)
FIELDS = st.one_of(st.text('a1 "é\\', max_size=4), st.sampled_from(['"a,b"', '"a""b"', "007"]))
ROWS = st.lists(FIELDS, min_size=1, max_size=4).map(",".join)

KEY = template("{id}")
WIDE = (
    Projection(all=True),
    Projection(
        all=True, json=True, line=True, names=frozenset({"id", "x", "a.b", "line", "json"}), flatten=True
    ),
    Projection(names=frozenset({"id", "x"}), lists=frozenset({"x"})),
)


@given(st.lists(LINES, max_size=8), st.sampled_from(WIDE))
@examples(4)
def test_of_json(tmp_path_factory: pytest.TempPathFactory, lines: list[str], wide: Projection) -> None:
    require_alike(tmp_path_factory, "\n".join(lines), Jsonl(), wide)


@given(st.lists(ROWS, max_size=8), st.sampled_from(WIDE[:2]))
@examples(4)
def test_of_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[str], wide: Projection) -> None:
    require_alike(tmp_path_factory, "\n".join(["id,x,a", *rows]), Csv(), wide)


def require_alike(folders: pytest.TempPathFactory, text: str, format: TextFormat, wide: Projection) -> None:
    source = source_of(folders.mktemp("narrow"), [text.encode()], format)
    narrow, whole = texts(source, for_templates(wide, [KEY])), texts(source, wide)
    # What the load takes, the pass has seen. Without a key (an object that --flatten spreads) it takes none.
    taken = {number: text for number, text in whole.items() if text is not None}
    assert {number: narrow.get(number) for number in taken} == taken


def texts(source: Any, projection: Projection) -> Mapping[int, bytes | None]:
    """Return the ``id`` of each record that is not rejected, by its number."""
    reader = source.open(projection)
    found: dict[int, bytes | None] = {}
    for block in source.blocks(40):
        for batch in reader.read(block):
            ids: Sequence[bytes | None] = [None] * len(batch)
            if "id" in batch.fields.schema.names:
                ids = batch.fields.column("id").to_pylist()
            found |= dict(zip(batch.numbers.to_pylist(), ids, strict=True))
    reader.close()
    return found
