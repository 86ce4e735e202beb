"""The door to the deployments: which one a URL leads to, and what is said where it leads to none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import etl.sink.embedded.server
from etl.errors import UsageError
from etl.options import LoadOptions
from etl.plan import Target
from etl.sink.choose import opened_target
from tests.cases import cases


def refusal(**options: Any) -> str:
    with pytest.raises(UsageError) as caught, opened_target(LoadOptions(**options)):
        raise AssertionError("it was opened")
    return str(caught.value)


def name_of(url: str) -> str:
    with opened_target(LoadOptions(to=url)) as target:
        assert (target.embedded, target.takes) == (url.startswith("embedded:"), frozenset())
        return target.name


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders on which embedded servers were opened: none is started."""
    folders: list[str] = []

    @contextlib.contextmanager
    def opened(folder: str) -> Iterator[str]:
        folders.append(folder)
        yield "unix:///run/own.sock"

    monkeypatch.setattr(etl.sink.embedded.server, "opened", opened)
    return folders


def test_a_url_leads_to_the_deployment_of_its_scheme_and_names_the_target(folders: list[str]) -> None:
    assert name_of("redis://:s3cret@host/1") == "redis://host:6379/1"
    assert name_of("rediss://host") == "rediss://host:6379/0"
    assert name_of("unix:///run/r.sock") == "unix:///run/r.sock?db=0"
    assert name_of("redis+sentinel://:s3cret@h2:1,h1/m") == "redis+sentinel://h1:26379,h2:1/m/0"
    assert name_of("embedded:data/here") == "embedded:data/here"
    assert folders == ["data/here"]
    target: Target
    with opened_target(LoadOptions(to="embedded:data")) as target:
        assert str(target) == "unix:///run/own.sock?db=0"


STARTS = (
    "starts with one of embedded:FOLDER, rdb:FILE, redis+sentinel://HOST:PORT/NAME/DB,"
    " rediss+sentinel://HOST:PORT/NAME/DB, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///SOCKET"
)


@cases(
    ("url", "says"),
    [
        ("x", STARTS),
        ("host:6379", "--to host:6379 has no scheme: did you mean redis://host:6379/0?"),
        ("127.0.0.1:6379/3", "did you mean redis://127.0.0.1:6379/3?"),
        ("redis:6379", "did you mean redis://redis:6379/0?"),
        ("redis.example.com", "did you mean redis://redis.example.com/0?"),
        ("/run/redis.sock", "did you mean unix:///run/redis.sock, or embedded:/run/redis.sock?"),
        ("data/dump.rdb.gz", "--to data/dump.rdb.gz has no scheme: did you mean rdb:data/dump.rdb.gz?"),
        ("redis:host", STARTS),
        ("http://:s3cret@host", f"{STARTS}, not with http://"),
        ("reddis://host", "not with reddis://; did you mean redis://?"),
        ("REDIS://host", "not with REDIS://; did you mean redis://?"),
        (" redis://host", STARTS),
        ("embedded:", "--to embedded: needs a folder, where the data are kept: --to embedded:FOLDER"),
    ],
)
def test_what_leads_nowhere_is_refused_with_what_was_meant(url: str, says: str) -> None:
    assert refusal(to=url).endswith(says)


@cases("options", [{"user": "me"}, {"password_file": "f"}, {"ask_password": True}, {"tls_insecure": True}])
def test_options_of_other_deployments_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    assert refusal(to="embedded:data", **options) == (
        f"--{name.replace('_', '-')} has no effect with an embedded server:"
        " it is for redis+sentinel://, rediss+sentinel://, redis://, rediss:// and unix://"
    )
