"""Addresses: read as redis-py reads them, shown without the secret, whatever the URL looks like."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import UsageError
from etl.sink.address import Address, connection_arguments, parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from tests.cases import cases

SECRET = "S3cretMarker"

CHECKED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_password": ""}
"""What redis-py is told of a server with TLS; with another ssl_password a terminal might be asked for one."""


@cases(
    ("url", "shown", "arguments"),
    [
        ("redis://host", "redis://host:6379/0", {"host": "host"}),
        ("redis://host:7/3", "redis://host:7/3", {"host": "host", "port": 7, "db": 3}),
        ("redis://host?db=3", "redis://host:6379/3", {"host": "host", "db": 3}),
        ("redis://host/", "redis://host:6379/0", {"host": "host"}),
        ("redis://", "redis://localhost:6379/0", {}),
        ("redis://:7", "redis://localhost:7/0", {"port": 7}),
        ("redis://[::1]:7/2", "redis://[::1]:7/2", {"host": "::1", "port": 7, "db": 2}),
        ("redis://[fe80::1]", "redis://[fe80::1]:6379/0", {"host": "fe80::1"}),
        ("redis://10.0.0.1:7", "redis://10.0.0.1:7/0", {"host": "10.0.0.1", "port": 7}),
        ("redis://:s3@host", "redis://host:6379/0", {"host": "host", "password": "s3"}),
        (
            "redis://user:p%40ss%2F%3F%23@host:7/1",
            "redis://host:7/1",
            {"host": "host", "port": 7, "db": 1, "username": "user", "password": "p@ss/?#"},
        ),
        ("redis://:p@ss@host", "redis://host:6379/0", {"host": "host", "password": "p@ss"}),
        ("redis://host:7/0\n", "redis://host:7/0", {"host": "host", "port": 7, "db": 0}),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=0", {"path": "/run/r.sock"}),
        ("unix:///run/r%20s?db=2", "unix:///run/r s?db=2", {"path": "/run/r s", "db": 2}),
        (
            "unix://u:s3@/run/%40x",
            "unix:///run/@x?db=0",
            {"path": "/run/@x", "username": "u", "password": "s3"},
        ),
        (
            "rediss://host/1?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required",
            "rediss://host:6379/1",
            {"host": "host", "db": 1, "ssl_ca_certs": "/ca.pem", **CHECKED},
        ),
        ("rediss://host", "rediss://host:6379/0", {"host": "host", **CHECKED}),
    ],
)
def test_an_address_is_shown_as_it_is_connected_to(url: str, shown: str, arguments: dict[str, Any]) -> None:
    address = parse_address(url)
    assert str(address) == shown
    found = connection_arguments(address)
    found.pop("connection_class", None)
    assert found == arguments


@cases(
    ("url", "says"),
    [
        ("", "starts with redis://, rediss:// or unix://"),
        ("redis:host", "starts with"),
        ("http://host", "starts with"),
        ("REDIS://host", "starts with"),
        (" redis://host", "starts with"),
        ("redis://host:port", "host or port"),
        ("redis://host:65536", "host or port"),
        ("redis://[::1", "host or port"),
        ("redis://host/x", "database that is no number"),
        ("redis://host/-1", "database that is no number"),
        ("redis://host/1/2", "database that is no number"),
        ("redis://host/1 ", "database that is no number"),
        ("redis://host/" + "9" * 5000, "database that is no number"),
        ("redis://host/٣", "database that is no number"),
        ("redis://host?db=", "database that is no number"),
        ("redis://host?db=x", "database that is no number"),
        ("redis://host/1?db=1", "database twice"),
        ("redis://host?db=1&db=1", "parameter db twice"),
        ("redis://host?socket_timeout=1", "parameters db and no other"),
        ("redis://host?ssl_ca_certs=x", "parameters db and no other"),
        ("redis://host#x", "has a #"),
        ("rediss://host?ssl_cert_reqs=none", "anybody pose as the server"),
        ("rediss://host?ssl_cert_reqs=optional", "anybody pose as the server"),
        ("rediss://host?ssl_cert_reqs=", "anybody pose as the server"),
        ("rediss://host?ssl_cert_reqs=none&ssl_cert_reqs=required", "ssl_cert_reqs twice"),
        ("rediss://host?ssl_cert_reqs=required&ssl_cert_reqs=none", "ssl_cert_reqs twice"),
        ("rediss://host?ssl_check_hostname=false", "and no other"),
        ("unix://", "absolute path"),
        ("unix://run/r.sock", "absolute path"),
        ("unix:///run/r.sock?db=x", "database that is no number"),
    ],
)
def test_what_cannot_be_or_is_not_safe_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_address(url)


@pytest.mark.parametrize("parameters", ["", "?ssl_cert_reqs=none", "?ssl_cert_reqs=required"])
def test_only_when_it_is_said_outside_of_the_url_too_is_nothing_checked(parameters: str) -> None:
    arguments = connection_arguments(parse_address(f"rediss://host{parameters}", insecure=True))
    assert arguments["ssl_cert_reqs"] == "none"
    assert arguments["ssl_check_hostname"] is False


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://host", "--tls-insecure is for a server with TLS"),
        ("unix:///run/r.sock", "--tls-insecure is for a server with TLS"),
        ("rediss://host?ssl_cert_reqs=optional", "anybody pose as the server"),
    ],
)
def test_what_is_not_checked_is_a_server_with_tls(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_address(url, insecure=True)


ODD = st.text("/?#@:[]%&=; \n\u2100\\{}1a", max_size=4)
SCHEMES = st.sampled_from(["redis", "rediss", "unix", "redis ", "Redis", "http", ""])


@given(
    scheme=SCHEMES,
    user=st.sampled_from(["", "user"]),
    before=ODD,
    after=ODD,
    rest=st.sampled_from(["host", "host:7/1", "[::1]:7", "/run/r.sock", "host/1?db=2", "host?x=1", ""]),
)
@example("redis", "", "12/", "", "host")
@example("redis", "", "12#", "", "host")
@example("redis", "", "12?", "", "host")
@example("redis", "", "\u2100", "", "host")
@example("unix", "", "12/", "", "/run/r.sock")
def test_a_password_is_never_shown_however_odd_the_url(
    scheme: str, user: str, before: str, after: str, rest: str
) -> None:
    url = f"{scheme}://{user}:{before}{SECRET}{after}@{rest}"
    try:
        address = parse_address(url)
    except UsageError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
    else:
        shown = f"{address} {address!r} {StandaloneTarget(address)!r} {StandaloneTarget(address)}"
        arguments = connection_arguments(address)
        assert SECRET in str(arguments.get("password"))
    assert SECRET.lower() not in shown.lower()


@given(st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable()))
def test_a_password_that_is_percent_encoded_arrives_as_it_is(password: str) -> None:
    address = parse_address(f"redis://:{quote(password, safe='')}@host")
    assert connection_arguments(address)["password"] == password


@given(st.text("redisunx:/?#[]@%&=0123456789.-", max_size=30))
def test_any_address_that_is_accepted_is_one_that_redis_py_accepts(rest: str) -> None:
    for scheme in ("redis", "rediss", "unix"):
        try:
            address = parse_address(f"{scheme}://{rest}")
        except UsageError:
            continue
        arguments = connection_arguments(address)
        database = address.shown.rpartition("=" if scheme == "unix" else "/")[2]
        assert int(database) == arguments.get("db", 0)


def test_an_address_pickles_with_its_secrets_and_shows_none() -> None:
    for address in (parse_address(f"redis://:{SECRET}@host"), Address("host", "redis://host", "u", SECRET)):
        copy = pickle.loads(pickle.dumps(address))  # noqa: S301 - our own
        assert connection_arguments(copy)["password"] == SECRET
        assert SECRET not in f"{copy} {copy!r} {StandaloneTarget(copy)!r} {StandaloneTarget(copy)}"
        assert SECRET not in repr({**connection_arguments(copy)})


@cases(
    ("url", "login"),
    [
        ("redis://host", ("me", "mine")),
        ("redis://you@host", ("you", "mine")),
        ("redis://:yours@host", ("me", "yours")),
        ("redis://you:yours@host", ("you", "yours")),
        ("unix://you@/run/r.sock", ("you", "mine")),
    ],
)
def test_what_the_url_says_of_user_and_password_counts_first(url: str, login: tuple[str, str]) -> None:
    address = replace(parse_address(url), user="me", password="mine")
    arguments = connection_arguments(address)
    assert (arguments["username"], arguments["password"]) == login
