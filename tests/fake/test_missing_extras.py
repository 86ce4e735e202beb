"""A library that is not installed: one sentence, which names the ``pip install``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO, FakeServer

BLOCKS_AN_IMPORT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from etl.cli.main import main
sys.exit(main(sys.argv[1:]))
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
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BLOCKS_AN_IMPORT.format(blocked=[blocked]),
            "load",
            *argv,
            "--to",
            fake_server.url,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 2, done.stderr
    assert f"pip install 'redis-etl[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    "blocked", [["duckdb", "pandas", "polars", "fsspec", "aiohttp", "adbc_driver_manager"]]
)
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.json"])
def test_files_need_none_of_them(
    tmp_path: Path, fake_server: FakeServer, blocked: list[str], name: str
) -> None:
    text = {"x.csv": "id\n1\n", "x.jsonl": '{"id": 1}\n', "x.json": '[{"id": 1}]'}[name]
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BLOCKS_AN_IMPORT.format(blocked=blocked),
            *("load", name, "--to", fake_server.url, "--key", "{#}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 0, done.stderr
    assert fake_server.client().hget("0", "id") == b"1"
