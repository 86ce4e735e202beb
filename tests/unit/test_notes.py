"""A NOTE is written once and cited elsewhere: whatever cites it names the file where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import etl

PACKAGE = Path(etl.__file__).parent
CITED = re.compile(r"NOTE\((\w+)\)\s+in\s+``(?:etl/)?([\w/]+\.py)``")


def test_a_note_that_is_cited_stands_in_the_file_that_is_named() -> None:
    cited = {match for path in PACKAGE.rglob("*.py") for match in CITED.findall(path.read_text("utf-8"))}
    assert cited
    for name, file in sorted(cited):
        assert (PACKAGE / file).is_file(), f"NOTE({name}) is cited from {file}, which is not there"
        assert f"NOTE({name}):" in (PACKAGE / file).read_text("utf-8"), f"{file} has no NOTE({name})"
