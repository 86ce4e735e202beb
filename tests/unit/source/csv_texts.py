"""CSV texts to test with, and what Python's own reader makes of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from hypothesis import strategies as st

from etl.source.csv.format import Csv

SOUP = st.lists(
    st.sampled_from(["a", "b", ",", '"', '""', "\n", "\r\n", "\r", '","', ',"', '",', '"\n', "é", "\ufeff"])
).map("".join)
"""Texts that are CSV by accident at most, full of what matters to it."""

FIELDS = st.text(
    st.sampled_from('ab;,"\n\r\t \\{}é€😀') | st.characters(exclude_characters="\0", codec="utf-8"),
    max_size=6,
)


def python_records(data: bytes, format: Csv) -> list[list[str]]:
    """Read records (no header) with ``csv.reader``; the values' bytes are their ``latin-1``."""
    text = io.StringIO(data.decode("latin-1"), newline="")
    rows = csv.reader(
        text,
        delimiter=format.delimiter,
        quotechar=format.quote or None,
        quoting=csv.QUOTE_MINIMAL if format.quote else csv.QUOTE_NONE,
    )
    return [row for row in rows if row]


def quoted(field: str, delimiter: str = ",") -> str:
    """Write a field with quotes, as RFC 4180 has it."""
    return '"' + field.replace('"', '""') + '"'


@st.composite
def rfc_4180_texts(draw: st.DrawFn, *, fields: int, delimiter: str = ",") -> tuple[list[list[str]], bytes]:
    """Return records and a text that holds them by the letter of the RFC; blank lines between."""
    records = draw(st.lists(st.lists(FIELDS, min_size=fields, max_size=fields), max_size=12))
    terminator = draw(st.sampled_from(["\n", "\r\n"]))
    pieces = []
    for record in records:
        texts = [
            quoted(field)
            if any(sign in field for sign in (delimiter, '"', "\n", "\r")) or draw(st.booleans())
            else field
            for field in record
        ]
        line = delimiter.join(texts)
        pieces.append((line or '""') + terminator)
        pieces.append(draw(st.sampled_from(["", "", "", terminator])))
    text = "".join(pieces)
    if draw(st.booleans()):
        text = text.removesuffix(terminator)
    return records, text.encode()


def encoded(records: Sequence[Sequence[str]]) -> list[list[bytes]]:
    """Return the values' bytes."""
    return [[value.encode() for value in record] for record in records]
