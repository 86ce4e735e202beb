"""A library that is not installed: one sentence, which names the ``pip install``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO, FakeServer, start_cli

BLOCKS_IMPORTS = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""

LOADS_EACH = """
from etl.cli.main import main
for name in sys.argv[2:]:
    assert main(["load", name, "--to", sys.argv[1], "--key", name + "{{#}}"]) == 0, name
"""

SELECT = ("--sql", "SELECT 1 AS id")


@pytest.mark.parametrize(
    ("blocked", "argv", "extra"),
    [
        ("duckdb", SELECT, "sql"),
        ("adbc_driver_sqlite", (*SELECT, "--database", "sqlite:x.db"), "sqlite"),
        (
            "adbc_driver_postgresql",
            (*SELECT, "--database", "postgresql://u:s3cr3t@127.0.0.1/db"),
            "postgresql",
        ),
        ("fsspec", ("https://127.0.0.1:1/x.csv",), "remote"),
        ("aiohttp", ("https://127.0.0.1:1/x.csv",), "remote"),
    ],
)
def test_the_message_names_the_pip_install(
    tmp_path: Path, fake_server: FakeServer, blocked: str, argv: tuple[str, ...], extra: str
) -> None:
    (tmp_path / "x.db").write_bytes(b"")
    argv = ("load", *argv, "--to", fake_server.url)
    command = start_cli(*argv, cwd=tmp_path, patch=BLOCKS_IMPORTS.format(blocked=[blocked]))
    _, stderr = command.communicate(timeout=60)
    assert command.wait() == 2, stderr
    assert f"pip install 'redis-etl[{extra}]'" in stderr
    assert stderr.count("\n") == 1
    assert "Traceback" not in stderr
    assert "s3cr3t" not in stderr


def test_files_need_none_of_them(tmp_path: Path, fake_server: FakeServer) -> None:
    texts = {"x.csv": "id\n1\n", "x.jsonl": '{"id": 1}\n', "x.json": '[{"id": 1}]'}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    blocked = ["duckdb", "pandas", "polars", "fsspec", "aiohttp", "adbc_driver_manager"]
    script = (BLOCKS_IMPORTS + LOADS_EACH).format(blocked=blocked)
    done = subprocess.run(
        [sys.executable, "-c", script, fake_server.url, *texts],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 0, done.stderr
    assert [fake_server.client().hget(f"{name}0", "id") for name in texts] == [b"1"] * 3
