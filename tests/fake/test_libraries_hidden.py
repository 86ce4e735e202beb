"""numpy and pandas are not imported in processes that are ours alone, and stay there in all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO

MAKES_AN_ARRAY = (
    "import sys, pyarrow as pa; pa.array([b'x']); sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
)
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


def test_pyarrow_still_imports_them_of_its_own_accord() -> None:
    """Else all of this can go."""
    assert_runs("import sys, pyarrow as pa; pa.array([b'x']); assert {'numpy', 'pandas'} <= set(sys.modules)")


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
assert not {"numpy", "pandas"} & set(sys.modules)
"""
    (tmp_path / "some.csv").write_text("id\n1\n")
    assert_runs(script, "load", str(tmp_path / "some.csv"), "--to", "redis://127.0.0.1:1", "--key", "{id}")


def test_workers_of_the_command_line_do_without() -> None:
    hidden = "from etl.run.process.hide_libraries import hide_libraries; hide_libraries()"
    assert_runs(process(MAKES_AN_ARRAY, before=hidden))


def test_spawned_workers_of_the_command_line_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "plan.py"
    plan.write_text("""
import multiprocessing, sys

def work(plan, worker, slots, pipe):
    import pyarrow as pa
    pa.array([b"x"])
    sys.exit(bool({"numpy", "pandas"} & set(sys.modules)))

class Plan:
    def for_worker(self, worker):
        return self

if __name__ == "__main__":
    from etl.run.process.hide_libraries import hide_libraries
    hide_libraries()
    import etl.run.process.child as child
    import plan  # where a worker finds what it is to do
    child.work = plan.work
    worker = child.Child(plan.Plan(), 0, multiprocessing.get_context("spawn"), None)
    worker.process.join()
    sys.exit(worker.process.exitcode)
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPO), str(tmp_path)]))
    assert_runs(plan.read_text())


def test_a_script_and_its_processes_keep_it() -> None:
    command = "import etl.cli.main, etl.verbs.load"
    ours = f"{command}; {IMPORTS_PANDAS}"  # the script's own import comes before the processes are made
    assert_runs(process(IMPORTS_PANDAS, before=ours))


def test_they_are_said_not_to_be_there() -> None:
    assert_runs("""
from etl.run.process.hide_libraries import hide_libraries, libraries_are_hidden
hide_libraries()
hide_libraries()
assert libraries_are_hidden()
for name in ("numpy", "pandas", "pandas.core"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        top = name.partition(".")[0]
        assert (error.name, str(error)) == (top, f"No module named {top!r}")
    else:
        raise AssertionError(name)
import json.tool
""")
