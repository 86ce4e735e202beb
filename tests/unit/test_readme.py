"""The README is a test subject: what it says of options and exit codes is what the program has."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from etl import errors

ROOT = Path(__file__).resolve().parents[2]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_options", ROOT / "scripts" / "readme_options.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_option_table_is_the_one_that_the_declaration_gives() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme == script().with_table(readme), "run scripts/readme_options.py"


def test_every_exit_code_of_an_error_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.EtlError)
    }
    for code in sorted(codes):
        assert f"\n| {code}" in readme


def test_the_files_that_the_readme_links_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    links = [part.split(")", 1)[0] for part in readme.split("](")[1:]]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_tests_that_the_readme_names_are_there() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "README.md").read_text())
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / "fault" / file).read_text(), (file, test)
