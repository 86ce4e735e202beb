"""A target's URL for other machines: no password in it, and still the same place."""

from __future__ import annotations

import pytest

from etl.sink.shared_url import same_place, without_password
from tests.cases import cases


@cases(
    ("url", "shared"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://u:s3cr3t@h:6379/0", "redis://u@h:6379/0"),
        ("redis://:s3cr3t@h", "redis://h"),
        ("redis://u:s3cr3t%40x@[::1]:1/2", "redis://u@[::1]:1/2"),
        ("rediss://u:s3cr3t@h/1?ssl_ca_certs=/a/b.pem", "rediss://u@h/1?ssl_ca_certs=/a/b.pem"),
        ("unix://u:s3cr3t@/run/x.sock?db=2", "unix://u@/run/x.sock?db=2"),
        (
            "redis+sentinel://u:s3cr3t@h1:26379,h2/main/0?sentinel_user=s&sentinel_password=s3cr3t",
            "redis+sentinel://u@h1:26379,h2/main/0?sentinel_user=s",
        ),
        ("embedded:folder", "embedded:folder"),
    ],
)
def test_a_shared_url_has_the_place_and_the_user_and_no_password(url: str, shared: str) -> None:
    assert without_password(url) == shared
    assert same_place(url, shared)


def test_sentinels_are_the_same_in_any_order_and_whoever_logs_in() -> None:
    url = "redis+sentinel://u:s3cr3t@b,a:26379/m?sentinel_user=s&sentinel_password=s3cr3t"
    assert same_place(url, "redis+sentinel://a,b/m/0")
    assert not same_place(url, "redis+sentinel://a,b/n/0")
    assert not same_place(url, "rediss+sentinel://a,b/m/0")


@pytest.mark.parametrize("other", ["redis://h:6380/0", "redis://h/1", "redis://i", "rediss://h"])
def test_another_host_port_database_or_scheme_is_another_place(other: str) -> None:
    assert same_place("redis://u:p@h:6379/0", "redis://h")
    assert not same_place("redis://h", other)
