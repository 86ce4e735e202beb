"""The records that every format has to hold: an id each, and a text that a careless reader spoils."""

from __future__ import annotations

Record = tuple[str, str | None]
"""The fields ``id`` and ``value`` of a record; a value of None is a null, or absent."""

Fields = dict[str, bytes]
"""A record as a reader gives it: without the fields that are absent."""

LONG = 300_000
"""Bytes of a long value: more than is looked at of a file's beginning, or decompressed at a time."""

TEXTS: dict[str, str | None] = {
    "plain": "a",
    "unicode": "ünï €uro 漢字 😀 \u202e",
    "empty": "",
    "nul": "a\0b",
    "long": "x" * LONG,
    "minus-zero": "-0.0",
    "nan": "NaN",
    "null": None,
    "word-null": "null",
    "braces": "{a}{{b}}{#}{*}{x[]}",
    "quotes": '"q" \'q\' ""',
    "backslashes": "\\n\\\\\\u0041\\",
    "line-breaks": "first\nsecond\n\nlast\n",
    "crlf": "first\r\nsecond\r\n",
    "delimiters": "a,b;c\td|e",
    "white": "  a\t ",
    "zeros": "007",
    "cents": "1.10",
    "exponent": "1e5",
    "twenty-digits": "12345678901234567890",
    "protocol": "*1\r$8\rFLUSHALL\r",
    "array": '[{"a": [1, 2]}, "]"]',
    "last": "z",
}
"""Values by the ids of their records, in order."""
