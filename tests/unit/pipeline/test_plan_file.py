"""Plans as files: what is written is read again, and what was damaged, or is another's, is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from etl.errors import SourceError, UsageError
from etl.pipeline.plan_file import PlanFile, parse_plan, read_plan
from etl.plan import Block
from tests.cases import cases

BLOCKS = (Block(0, 0, 13, 100, 0, records=7), Block(1, 0, 100, 900, 7, records=1, long_bytes=800))


def plan_with(
    blocks: tuple[Block, ...] | None = BLOCKS, sources: tuple[str, ...] = ("s3://b/x.csv",)
) -> PlanFile:
    return PlanFile(
        made_at="2026-01-31T12:00:00+00:00",
        job="nightly",
        to="redis://u@h/0",
        target="redis://h:6379/0",
        sources=sources,
        options={"key": "user:{id}", "rename": ["a=b"], "flatten": True},
        fingerprint="f" * 64,
        template="e" * 64,
        nbytes=None if blocks is None else 900,
        block_bytes=1 << 16,
        blocks=blocks,
    )


@cases("plan", [plan_with(), plan_with(None), plan_with(()), plan_with(sources=("/d/\udcff ünï\n.csv",))])
def test_a_plan_that_is_written_is_the_same_when_it_is_read(tmp_path: Path, plan: PlanFile) -> None:
    path = tmp_path / "plan.json"
    path.write_text("an older plan")
    plan.write(str(path))
    assert read_plan(str(path)) == plan
    assert os.listdir(tmp_path) == ["plan.json"]
    members = json.loads(path.read_text())
    assert members["redis_etl_plan"] == 1
    assert members["options"] == {"key": "user:{id}", "rename": ["a=b"], "flatten": True}


def test_a_block_is_a_line_of_the_file() -> None:
    assert "\n    [0, 13, 100, 0, 7, null],\n    [0, 100, 900, 7, 1, 800]\n" in plan_with().text()


def test_every_cut_and_every_change_of_a_plan_is_refused_in_one_sentence() -> None:
    text = plan_with().text()
    whole = json.loads(text)
    damaged = [text[:length] for length in range(0, len(text) - 2, 7)]
    damaged += [json.dumps({**whole, name: "other"}) for name in whole if name != "redis_etl_plan"]
    damaged += [
        json.dumps({name: whole[name] for name in whole if name != left}) for left in whole if left[0] != "r"
    ]
    for one in damaged:
        with pytest.raises(UsageError, match=r"^--plan p\.json is damaged: [^\n]*redis-etl plan$"):
            parse_plan(one, "p.json")


@cases(
    ("text", "says"),
    [
        ("[]", "is no plan"),
        ('{"sources": []}', "is no plan"),
        (plan_with().text().replace('"redis_etl_plan": 1', '"redis_etl_plan": 2'), "of version 2, and this"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_what_is_no_plan_of_this_version_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_plan(text, "p.json")


def test_a_plan_that_cannot_be_read_or_written_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.json cannot be read: No such file"):
        read_plan(str(tmp_path / "gone.json"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="cannot be read: it is no text"):
        read_plan(str(tmp_path / "binary"))
    with pytest.raises(UsageError, match=r"--out .*cannot be written: No such file"):
        plan_with().write(str(tmp_path / "none" / "plan.json"))
    with pytest.raises(UsageError, match=r"--out .*cannot be written: Is a directory"):
        plan_with().write(str(tmp_path))
    assert os.listdir(tmp_path) == ["binary"]
