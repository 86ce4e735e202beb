"""Which options say what a job is: the records of the last release can be resumed."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from etl.options import LoadOptions, RecordOptions, RunOptions, SourceOptions, TargetOptions, job_identity
from etl.options.identity import IN_EVERY_DIGEST
from tests.cases import cases

RELEASED: list[tuple[dict[str, Any], str]] = [
    ({}, "ba9913ae6f55a23fe2625b343e5f2f27b7814d9a2fdff5567bb8dc026aee457f"),
    (
        {"key": "user:{id}", "exclude": "id", "rename": ["a=b", "c=d"], "ttl": "1h", "max_record": "500kB"},
        "b05094dfa81968d283c89d79c8d9b458c64423eb84b4e5e7ff0cd34bd21fab97",
    ),
    (
        {
            "as_": "zset",
            "include": ["a", "b"],
            "fields": ("x", "y"),
            "expire_at": "2030-01-31T12:00:00Z",
            "command": ["SADD a {x}"],
            "flatten": True,
        },
        "d4552b5c796b95b4a06e5fbc91c6dbc1d502c453b0758405b5004fb660bef2e1",
    ),
    (
        {"ttl": 60.0, "rename": {"a": "b"}, "delimiter": "\\t", "pack": 128, "expire_at": "{ts}"},
        "efa8ec93ae254cb878ed074bed703845540853aa4834ef3a6f9542b223438794",
    ),
]
"""Options, and the digest that the last release has made of them and of the type hash."""


@cases(("options", "digest"), RELEASED)
def test_the_digest_of_the_last_release_is_made_of_the_same_options(
    options: dict[str, Any], digest: str
) -> None:
    said = [*job_identity(LoadOptions(**options)), "hash"]
    assert hashlib.sha256("\0".join(said).encode()).hexdigest() == digest


def test_options_of_the_source_and_the_record_name_a_job_and_those_of_the_target_and_the_run_do_not() -> None:
    named = {text.partition("=")[0] for text in job_identity(LoadOptions())}
    own = {field.name for kind in (SourceOptions, RecordOptions) for field in dataclasses.fields(kind)}
    assert named == own
    others = {field.name for kind in (TargetOptions, RunOptions) for field in dataclasses.fields(kind)}
    assert not named & others


def test_an_option_that_is_new_changes_no_job_until_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    older = [name for name in IN_EVERY_DIGEST if name != "strip"]
    monkeypatch.setattr("etl.options.identity.IN_EVERY_DIGEST", older)
    assert not any(text.startswith("strip=") for text in job_identity(LoadOptions()))
    assert job_identity(LoadOptions(strip=True))[-1] == "strip=True"
