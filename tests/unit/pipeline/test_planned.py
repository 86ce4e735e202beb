"""The options of a run of a plan: the plan's, those that may be given beside it, and what contradicts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import LoadOptions, VerifyOptions
from etl.pipeline.plan_file import PlanFile
from etl.pipeline.planned import kept_options, planned, with_plan
from tests.cases import cases
from tests.unit.options.test_verbs import GOOD

GIVEN: dict[str, Any] = {
    "key": "user:{id}",
    "rename": ("a=b", "c=d"),
    "fields": "x,y",
    "ttl": "90m",
    "max_rate": "50MB",
    "max_rejects": "0.5%",
    "retry_for": 60,
    "workers": 3,
    "allow_eviction": True,
}


def plan_of(options: LoadOptions, to: str = "redis://u@h/0") -> PlanFile:
    return PlanFile(
        made_at="",
        job="nightly",
        to=to,
        target="redis://h:6379/0",
        sources=("s3://b/x",),
        options=kept_options(options),
        fingerprint="f",
        template="e",
        nbytes=1,
        block_bytes=1,
        blocks=None,
    )


PLAN = plan_of(LoadOptions(**GIVEN))


def test_the_options_of_a_plan_come_back_as_they_were_given() -> None:
    merged = with_plan(LoadOptions(plan="p", shard="1/2"), PLAN, {})
    assert merged == LoadOptions(**GIVEN, plan="p", shard="1/2", job="nightly", to="redis://u@h/0")
    assert with_plan(VerifyOptions(differences="d"), PLAN, {}).differences == "d"


def test_every_option_that_is_kept_survives_the_way_through_a_plan() -> None:
    for name, value in GOOD:
        kept = kept_options(LoadOptions(**{name: value}))
        if kept:
            merged = with_plan(LoadOptions(), plan_of(LoadOptions(**{name: value})), {})
            assert getattr(merged, name) == getattr(LoadOptions(**{name: value}), name)


def test_a_plan_keeps_no_secret_and_nothing_of_one_run() -> None:
    options = LoadOptions(
        to="redis://u:s3cr3t@h",
        password_file="f",
        ask_password=True,
        database="postgresql://u:s3cr3t@h/d",
        sql="SELECT 1",
    )
    assert kept_options(options) == {}
    assert kept_options(LoadOptions(restart=True, job="j", runner="inline", plan="p", shard="0/2")) == {}


def test_options_of_the_run_win_over_those_of_the_plan() -> None:
    merged = with_plan(LoadOptions(workers=1, retry_for=5, rejects="r", restart=True), PLAN, {})
    assert (merged.workers, merged.retry_for, merged.rejects, merged.restart) == (1, 5.0, "r", True)


@cases(
    ("changes", "says"),
    [
        ({"key": "other:{id}"}, "--key contradicts the plan, which has user:{id}"),
        ({"value": "{name}"}, "--value contradicts the plan, which has none"),
        ({"max_rate": "1"}, "--max-rate contradicts the plan, which has 50MB"),
        ({"job": "other"}, "--job contradicts the plan, which has nightly"),
        (
            {"to": "redis://other/0"},
            "--to leads to another target than the plan's, which is redis://h:6379/0",
        ),
    ],
)
def test_what_contradicts_the_plan_is_a_usage_error(changes: Mapping[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_plan(LoadOptions(**changes), PLAN, {})
    assert str(caught.value).startswith(says)


def test_what_the_plan_says_too_may_be_said_again() -> None:
    assert with_plan(LoadOptions(key="user:{id}", max_rate="50MB"), PLAN, {}).key == "user:{id}"


@cases(
    ("to", "environment", "chosen"),
    [
        (None, {}, "redis://u@h/0"),
        (None, {"REDIS_URL": "redis://u:s3cr3t@h:6379"}, "redis://u:s3cr3t@h:6379"),
        (None, {"REDIS_URL": "redis://elsewhere"}, "redis://u@h/0"),
        ("redis://:s3cr3t@h", {"REDIS_URL": "redis://elsewhere"}, "redis://:s3cr3t@h"),
    ],
)
def test_a_url_with_a_password_is_taken_from_here_if_it_leads_to_the_same_place(
    to: str | None, environment: dict[str, str], chosen: str
) -> None:
    assert with_plan(LoadOptions(to=to), PLAN, environment).to == chosen


def test_a_shard_without_a_plan_and_a_plan_with_sources_are_refused() -> None:
    with pytest.raises(UsageError, match="--shard needs --plan FILE"):
        planned(LoadOptions(shard="0/2"), ["x"])
    with pytest.raises(UsageError, match="give no source beside it"):
        planned(LoadOptions(plan="p"), ["x"])
    assert planned(LoadOptions(), ["x"]) == (LoadOptions(), ["x"], None)


def test_an_option_that_this_release_does_not_know_is_refused() -> None:
    for name in ("shape", "password_file"):
        plan = PlanFile(
            **{**{field: getattr(PLAN, field) for field in PLAN.__slots__}, "options": {name: "x"}}
        )
        with pytest.raises(UsageError, match=f"the plan has an option '{name}'"):
            with_plan(LoadOptions(), plan, {})
