#!/usr/bin/env python3
"""Writes the README's option table from the options' one declaration; a test checks that it was run.

scripts/readme_options.py
"""

from __future__ import annotations

from pathlib import Path

from etl.options import VerifyOptions, markdown_table

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- options: written by scripts/readme_options.py -->\n"
END = "\n<!-- end of options -->"


def with_table(readme: str) -> str:
    """Return the README's text with its option table as it should be."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = ("\n" + rest).partition(END)
    if not (begin and end):
        raise ValueError(f"the README has lost its marks: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}{markdown_table(VerifyOptions)}{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
