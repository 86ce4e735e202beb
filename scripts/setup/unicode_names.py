"""Writes every named character of Unicode to a file, one a line: ``1F600 GRINNING FACE``."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path


def named_characters() -> Iterator[str]:
    """Yields ``CODE NAME`` for each character that this Python's Unicode database names, in code order."""
    for code in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(code), "")
        if name:
            yield f"{code:04X} {name}"


def write(path: Path) -> None:
    """Writes the whole file or, if interrupted, none: a half file would look like a finished one."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in named_characters())
    os.replace(part, path)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
