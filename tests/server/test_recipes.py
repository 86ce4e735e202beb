"""The recipes for other machines are run, as far as they can be without a scheduler, or at least parsed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

import etl.cli
from tests.fake.loaded import report_of
from tests.support import RealServer, data_size

RECIPES = (Path(etl.cli.__file__).parent / "topics" / "engines.md").read_text(encoding="utf-8")
COUNT = 3_000


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", RECIPES, re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(tmp_path: Path, real_server: RealServer) -> Any:
    """A function that runs a script in a folder with a source, and with ``redis-etl`` on PATH."""
    (tmp_path / "events.csv").write_text("id,name\n" + "".join(f"{n},name {n}\n" for n in range(COUNT)))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(script: str, **environment: str) -> None:
        script = script.replace("/shared/events.csv", "events.csv")
        env = {**os.environ, "PATH": path, "TARGET": real_server.url, **environment}
        done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return run


def test_shards_by_xargs_and_by_a_job_array_load_everything(run: Any, real_server: RealServer) -> None:
    plan, by_xargs, array = blocks("bash")[:3]
    run(plan)
    run(by_xargs)
    assert data_size(real_server.client()) == COUNT
    real_server.client().flushall()
    for task in range(2):
        run(array, SLURM_ARRAY_TASK_ID=str(task), SLURM_ARRAY_TASK_MAX="1", SLURM_CPUS_PER_TASK="1")
    assert data_size(real_server.client()) == COUNT
    assert report_of("status", "events", "--to", real_server.url)["state"] == "complete"


def test_every_shell_script_is_one_for_bash() -> None:
    for script in blocks("bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_indexed_job_runs_its_index_and_fails_on_exactly_the_codes_that_a_retry_does_not_help() -> None:
    (text,) = blocks("yaml")
    spec = yaml.safe_load(text)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert f'--shard "$JOB_COMPLETION_INDEX/{spec["completions"]}"' in container["args"][0]
    assert "\n" not in container["args"][0].strip()
    rules = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
    assert rules["FailJob"]["onExitCodes"]["values"] == [2, 3, 5, 70]
    assert rules["FailJob"]["onExitCodes"]["containerName"] == container["name"]


def test_the_spark_function_loads_the_batches_of_a_partition(
    real_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = blocks("python")
    monkeypatch.setenv("TARGET", real_server.url)
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102 - a recipe of ours
    table = pa.table({"id": list(range(COUNT)), "name": [f"name {n}" for n in range(COUNT)]})
    (counted,) = names["load_partition"](table.to_batches(max_chunksize=500))
    assert counted.to_pydict() == {"written": [COUNT]}
    assert data_size(real_server.client()) == COUNT
    assert list(names["load_partition"](iter(()))) == []
