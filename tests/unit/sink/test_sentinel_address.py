"""URLs of a primary that Sentinels watch: what they say, which are refused, and that no secret is shown."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import LoadOptions
from etl.sink.address import connection_arguments
from etl.sink.choose import opened_target
from etl.sink.sentinel_address import WatchedAddress, parse_watched, watched_url
from tests.cases import cases

SECRET = "S3cretMarker"


def parsed(url: str, **options: Any) -> WatchedAddress:
    return parse_watched(url, **{"environment": {}, **options})


@cases(
    ("url", "shown", "sentinels"),
    [
        ("redis+sentinel://h/m", "redis+sentinel://h:26379/m/0", ["h:26379"]),
        ("redis+sentinel://h/m/", "redis+sentinel://h:26379/m/0", ["h:26379"]),
        ("redis+sentinel://h:7/my-m.1_x/3", "redis+sentinel://h:7/my-m.1_x/3", ["h:7"]),
        ("redis+sentinel://h/m/003", "redis+sentinel://h:26379/m/3", ["h:26379"]),
        ("redis+sentinel://u:p%40@B:7,a,[::1]:8/m", "redis+sentinel://[::1]:8,a:26379,b:7/m/0", None),
        ("redis+sentinel://[::1],[fe80::1]:9/m", "redis+sentinel://[::1]:26379,[fe80::1]:9/m/0", None),
        ("redis+sentinel://10.0.0.1,10.0.0.2/m", "redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/m/0", None),
        ("redis+sentinel://b,a/m", "redis+sentinel://a:26379,b:26379/m/0", ["b:26379", "a:26379"]),
        ("rediss+sentinel://h/m/1?ssl_ca_certs=/ca.pem", "rediss+sentinel://h:26379/m/1", ["h:26379"]),
    ],
)
def test_a_url_names_sentinels_a_primary_and_a_database(
    url: str, shown: str, sentinels: list[str] | None
) -> None:
    address = parsed(url)
    assert str(address) == shown
    if sentinels is not None:
        scheme = url.partition("+")[0]
        assert list(map(str, address.sentinels)) == [f"{scheme}://{one} (Sentinel)" for one in sentinels]


def test_the_primary_has_the_login_the_database_and_the_certificates_wherever_it_is() -> None:
    url = (
        "rediss+sentinel://u:p%40ss@h1,h2/m/3?ssl_ca_certs=/c%20a.pem&sentinel_user=s&sentinel_password=q%2F"
    )
    address = parsed(url)
    primary = address.primary_at("[fe80::1]:7")
    assert str(primary) == "rediss://[fe80::1]:7/3 (primary of m)"
    tls = {"ssl_ca_certs": "/c a.pem", "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    found = connection_arguments(primary)
    assert tls.items() <= found.items()
    login = {"host": "fe80::1", "port": 7, "db": 3, "username": "u", "password": "p@ss"}
    assert login.items() <= found.items()
    for host, sentinel in zip(("h1", "h2"), address.sentinels, strict=True):
        found = connection_arguments(sentinel)
        assert tls.items() <= found.items()
        assert {"host": host, "port": 26379, "username": "s", "password": "q/"}.items() <= found.items()
        assert not found.get("db")


@cases(
    ("query", "environment", "login"),
    [
        ("", {}, (None, None)),
        ("", {"REDISCLI_AUTH": "of the primary"}, (None, None)),
        ("", {"SENTINEL_AUTH": ""}, (None, None)),
        ("", {"SENTINEL_AUTH": "env"}, (None, "env")),
        ("?sentinel_user=s", {"SENTINEL_AUTH": "env"}, ("s", "env")),
        ("?sentinel_password=own", {"SENTINEL_AUTH": "env"}, (None, "own")),
        ("?sentinel_user=&sentinel_password=", {}, (None, None)),
    ],
)
def test_sentinels_have_a_login_of_their_own(
    query: str, environment: dict[str, str], login: tuple[str | None, str | None]
) -> None:
    address = parsed(f"redis+sentinel://u:p@h/m{query}", environment=environment)
    (sentinel,) = address.sentinels
    assert (sentinel.user, sentinel.password) == login
    found = connection_arguments(sentinel)
    assert (found.get("username"), found.get("password")) == login


HOSTS = "names Sentinels by host and port"
NAME = "names the primary as its Sentinels do"


@cases(
    ("url", "says"),
    [
        ("redis://h/m", "starts with redis"),
        ("redis+sentinel:h/m", "starts with redis"),
        ("Redis+sentinel://h/m", "starts with redis"),
        ("redis+sentinel://", HOSTS),
        ("redis+sentinel:///m", HOSTS),
        ("redis+sentinel://h,/m", HOSTS),
        ("redis+sentinel://,h/m", HOSTS),
        ("redis+sentinel://:26379/m", HOSTS),
        ("redis+sentinel://h:/m", HOSTS),
        ("redis+sentinel://h:x/m", HOSTS),
        ("redis+sentinel://h:65536/m", HOSTS),
        ("redis+sentinel://h:1:2/m", HOSTS),
        ("redis+sentinel://::1/m", HOSTS),
        ("redis+sentinel://h one/m", HOSTS),
        ("redis+sentinel://[::1/m", "host or port"),
        ("redis+sentinel://h,h:26379/m", "names a Sentinel twice"),
        ("redis+sentinel://h", NAME),
        ("redis+sentinel://h/", NAME),
        ("redis+sentinel://h//0", NAME),
        ("redis+sentinel://h/my master", NAME),
        ("redis+sentinel://h/a%20b", NAME),
        ("redis+sentinel://h/m/x", "database that is no number"),
        ("redis+sentinel://h/m/-1", "database that is no number"),
        ("redis+sentinel://h/m/0/1", "database that is no number"),
        ("redis+sentinel://h/m#x", "has a #"),
        ("redis+sentinel://h/m?db=1", "sentinel_user, sentinel_password and no other"),
        ("redis+sentinel://h/m?ssl_ca_certs=/x", "sentinel_user, sentinel_password and no other"),
        ("redis+sentinel://h/m?sentinel_user=a&sentinel_user=b", "sentinel_user twice"),
        ("redis+sentinel://h/m?sentinel_user=a", "no password for it: set \\$SENTINEL_AUTH"),
        ("rediss+sentinel://h/m?ssl_cert_reqs=none", "anybody pose as the server"),
        ("rediss+sentinel://h/m?ssl_check_hostname=false", "and no other"),
    ],
)
def test_a_url_that_cannot_be_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parsed(url)


def test_only_servers_with_tls_are_let_be_what_they_are() -> None:
    with pytest.raises(UsageError, match="--tls-insecure is for servers with TLS: rediss"):
        parsed("redis+sentinel://h/m", insecure=True)
    address = parsed("rediss+sentinel://h/m?ssl_cert_reqs=none", insecure=True)
    for one in (*address.sentinels, address.primary_at("h:1")):
        found = connection_arguments(one)
        assert (found["ssl_cert_reqs"], found["ssl_check_hostname"]) == ("none", False)


@pytest.mark.parametrize(
    "url",
    [
        f"redis+sentinel://:{SECRET}@h/m?sentinel_password={SECRET}",
        f"rediss+sentinel://u:{SECRET}@h,g/m/1?sentinel_user=u&sentinel_password={SECRET}",
    ],
)
def test_a_target_shows_no_secret_and_travels(url: str) -> None:
    target: Any
    with opened_target(LoadOptions(to=url)) as target:
        travelled = pickle.loads(pickle.dumps(target))  # noqa: S301 - our own
        assert travelled == target
        for one in (target, travelled):
            assert SECRET not in f"{one} {one!r} {one.name} {one.watched} {one.watched.primary_at('h:1')}"


def test_logging_in_to_the_primary_is_told_by_the_options_and_not_to_sentinels(tmp_path: Any) -> None:
    (tmp_path / "password").write_text("of the file\n")
    options = LoadOptions(to="redis+sentinel://h/m", user="me", password_file=str(tmp_path / "password"))
    target: Any
    with opened_target(options) as target:
        found = connection_arguments(target.watched.primary_at("p:1"))
        assert (found["username"], found["password"]) == ("me", "of the file")
        assert connection_arguments(target.watched.sentinels[0]).get("password") is None
        assert target.name == str(target) == "redis+sentinel://h:26379/m/0"


@pytest.mark.parametrize(
    "url",
    [
        f"redis+sentinel://:pa/{SECRET}@h/m",
        f"redis+sentinel://:pa?{SECRET}@h/m",
        f"redis+sentinel://:pa#{SECRET}@h/m",
        f"redis+sentinel://:pa[{SECRET}@h/m",
        f"redis+sentinel://u:{SECRET}@/m",
        f"redis+sentinel://u:{SECRET}@h/m?x={SECRET}",
        f"redis+sentinel://h/m/{SECRET}",
        f"redis+sentinel://h/m?sentinel_password={SECRET}&sentinel_password={SECRET}",
        f"rediss+sentinel://u:{SECRET}@h/m?ssl_cert_reqs=none&sentinel_password={SECRET}",
    ],
)
def test_no_refusal_shows_a_secret(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(url)
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


@cases(
    ("shown", "url"),
    [
        ("redis://h:1/2", "redis+sentinel://h:1/m/2"),
        ("rediss://[::1]:1/0", "rediss+sentinel://[::1]:1/m/0"),
        ("unix:///run/s?db=0", None),
        ("embedded:folder", None),
    ],
)
def test_the_url_of_a_server_that_is_a_sentinel_becomes_that_of_its_primary(
    shown: str, url: str | None
) -> None:
    assert watched_url(shown, "m") == url
