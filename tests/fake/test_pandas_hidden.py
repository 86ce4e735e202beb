"""pandas is not imported in processes that are ours alone, and stays where it is in all others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKES_AN_ARRAY = "import sys, pyarrow as pa; pa.array([b'x']); sys.exit('pandas' in sys.modules)"
IMPORTS_PANDAS = "import pandas; pandas.DataFrame"
"""What a process runs: it ends with 0 if all is as its name says."""


def assert_runs(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def process(code: str, before: str = "") -> str:
    """Return a script that makes a context as a load does, and runs ``code`` in a process of it."""
    return f"""
import sys
{before}
from etl.run.runners.processes import make_context
if __name__ == "__main__":
    process = make_context("forkserver").Process(target=exec, args=({code!r}, {{}}))
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_pyarrow_still_imports_pandas_of_its_own_accord() -> None:
    """Else all of this can go."""
    assert_runs(MAKES_AN_ARRAY.replace("'pandas' in", "'pandas' not in"))


def test_the_command_line_does_without(tmp_path: Path) -> None:
    script = """
import sys
from etl.__main__ import run
try:
    run()
except SystemExit as ended:
    assert ended.code == 4, ended.code  # it came as far as the server, which is not there
import pyarrow as pa
pa.array([b"x"])
assert "pandas" not in sys.modules
"""
    (tmp_path / "some.csv").write_text("id\n1\n")
    assert_runs(script, "load", str(tmp_path / "some.csv"), "--to", "redis://127.0.0.1:1", "--key", "{id}")


def test_workers_of_the_command_line_do_without() -> None:
    hidden = "from etl.run.process.hide_pandas import hide_pandas; hide_pandas()"
    assert_runs(process(MAKES_AN_ARRAY, before=hidden))


def test_a_script_and_its_processes_keep_it() -> None:
    assert_runs(process(IMPORTS_PANDAS) + f"\n{IMPORTS_PANDAS}")
    assert_runs(f"import etl.cli.main, etl.run.runners.processes, etl.verbs.load; {IMPORTS_PANDAS}")


def test_pandas_is_said_not_to_be_there() -> None:
    assert_runs("""
from etl.run.process.hide_pandas import hide_pandas, pandas_is_hidden
hide_pandas()
hide_pandas()
assert pandas_is_hidden()
for name in ("pandas", "pandas.core"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert (error.name, str(error)) == ("pandas", "No module named 'pandas'")
    else:
        raise AssertionError(name)
import json.tool
""")
