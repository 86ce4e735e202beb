"""URIs: their parts, and that no secret of theirs is shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from etl.errors import UsageError
from etl.source.storage.uri import is_remote, parse_uri
from tests.cases import cases

SECRET = "https://anna:s3cr%2Ft@host:8443/a%20b/x.csv?X-Signature=0a1b2c3d4e&part=7#frag"


@cases(
    ("source", "expected"),
    [
        ("s3://bucket/x", True),
        ("HTTPS://host/x", True),
        ("abfs+x://c/x", True),
        ("file:///x", False),
        ("File:///x", False),
        ("x.csv", False),
        ("./s3://x", False),
        ("a/b://c", False),
        ("s3:/bucket/x", False),
        ("-", False),
        ("", False),
    ],
)
def test_a_uri_is_told_from_a_path(source: str, expected: bool) -> None:
    assert is_remote(source) is expected


def test_a_uri_is_taken_to_pieces_and_put_together() -> None:
    uri = parse_uri(SECRET)
    assert (uri.scheme, uri.userinfo, uri.host) == ("https", "anna:s3cr%2Ft", "host:8443")
    assert uri.path == "/a%20b/x.csv"
    assert uri.secret_text == SECRET
    assert uri.at("/y").secret_text == SECRET.replace("/a%20b/x.csv", "/y")
    assert pickle.loads(pickle.dumps(uri)) == uri  # noqa: S301 - our own


@cases(
    ("text", "shown"),
    [
        (SECRET, "https://host:8443/a%20b/x.csv"),
        ("s3://KEY:secret@bucket/a/b@c.csv?region=eu", "s3://bucket/a/b@c.csv"),
        ("s3://bucket/a#b", "s3://bucket/a#b"),
        ("https://host/x#token=abc", "https://host/x"),
        ("S3://bucket", "s3://bucket"),
        ("https://user@[::1]:80/x", "https://[::1]:80/x"),
        ("https://host?key=secret", "https://host"),
    ],
)
def test_user_password_and_query_are_not_shown(text: str, shown: str) -> None:
    uri = parse_uri(text)
    assert str(uri) == shown
    assert f"{uri!r}" == f"Uri({shown!r})"


@cases(
    ("text", "expected"),
    [
        (f"404 for {SECRET}", "404 for https://host:8443/a%20b/x.csv"),
        ("wrong password s3cr%2Ft", "wrong password ***"),
        ("wrong password s3cr/t", "wrong password ***"),
        ("signature 0a1b2c3d4e expired", "signature *** expired"),
        ("anna:s3cr/t@host", "***@host"),
        ("part 7 of 7", "part 7 of 7"),
    ],
)
def test_secrets_are_taken_out_of_messages(text: str, expected: str) -> None:
    assert parse_uri(SECRET).scrub(text) == expected


def test_options_of_a_file_system_are_no_secrets() -> None:
    uri = parse_uri("s3://k:verysecret@b/x?endpoint_override=127.0.0.1:9000&region=eu-west-1")
    text = "cannot connect to 127.0.0.1:9000 in eu-west-1"
    assert uri.scrub(text) == text
    assert uri.scrub("s3://k:verysecret@b?endpoint_override=x") == "s3://***@b?endpoint_override=x"


@pytest.mark.parametrize("text", ["s3://KEY:se/cret@bucket/x", "http://user:sec/ret@host/", "http://a:b:c/x"])
def test_an_unquoted_password_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError, match="must be written %2F") as error:
        parse_uri(text)
    for secret in ("cret", "ret@", "KEY"):
        assert secret not in str(error.value)


def test_a_path_is_no_uri(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a URI"):
        parse_uri(str(tmp_path))
