"""Every form of the target's URL, and passwords that are shown nowhere."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from etl.cli.main import main
from tests.server.inputs import held, write
from tests.support import RealServer, StartServer, data_size, run_cli

LINES = [b"one", b"two", b"three"]
PASSWORD = "se/sa:me@ opén#?%&"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "lines.txt", LINES)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path that a socket's address has room for."""
    with tempfile.TemporaryDirectory(prefix="etl-") as folder:
        yield Path(folder)


LoadAndVerify = Callable[..., str]


@pytest.fixture
def loaded_and_verified(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> LoadAndVerify:
    """A function that loads and verifies with two workers, and gives all that was said."""

    def loaded_and_verified(file: Path, url: str = "") -> str:
        capsys.readouterr()
        to = ("--to", url) if url else ()
        for verb in ("load", "verify"):
            assert main([verb, str(file), *to, "--workers", "2", "--json"]) == 0
        return "".join(capsys.readouterr())

    monkeypatch.delenv("REDIS_URL", raising=False)
    return loaded_and_verified


def database(server: RealServer, number: int) -> redis.Redis:
    return server.client(db=number)


def test_a_unix_socket_is_an_address(
    short_folder: Path, start_server: StartServer, file: Path, loaded_and_verified: LoadAndVerify
) -> None:
    socket = short_folder / "re dis.sock"
    server = start_server("--unixsocket", str(socket))
    loaded_and_verified(file, f"unix://{quote(str(socket))}")
    assert held(server.client(), 3) == LINES
    loaded_and_verified(file, f"unix://{quote(str(socket))}?db=4")
    assert held(database(server, 4), 3) == LINES


@pytest.mark.parametrize("form", ["redis://127.0.0.1:{}/5", "redis://127.0.0.1:{}?db=5"])
def test_the_database_is_the_one_in_the_url(
    real_server: RealServer, file: Path, form: str, loaded_and_verified: LoadAndVerify
) -> None:
    said = loaded_and_verified(file, form.format(real_server.port))
    assert f'"target": "redis://127.0.0.1:{real_server.port}/5"' in said
    assert held(database(real_server, 5), 3) == LINES
    assert data_size(real_server.client()) == 0


def test_a_database_that_is_not_there_is_a_clear_error(real_server: RealServer, file: Path) -> None:
    ended = run_cli("load", file, "--to", f"redis://127.0.0.1:{real_server.port}/99")
    assert ended.returncode == 4
    assert "DB index is out of range" in ended.stderr


def test_the_address_may_come_from_the_environment(
    real_server: RealServer, file: Path, monkeypatch: pytest.MonkeyPatch, loaded_and_verified: LoadAndVerify
) -> None:
    monkeypatch.setenv("REDIS_URL", real_server.url)
    loaded_and_verified(file)
    assert held(real_server.client(), 3) == LINES


def test_an_ipv6_host_is_an_address(file: Path) -> None:
    ended = run_cli("load", file, "--to", "redis://[::1]:1/0")
    assert ended.returncode == 4
    assert ended.stderr.startswith("redis-etl: cannot reach redis://[::1]:1/0: ")


@pytest.fixture
def guarded_server(real_server: RealServer) -> RealServer:
    """A server with a password for everybody, a loader who may write and a reader who may not."""
    client = real_server.client()
    for user, keys, categories in (
        ("loader", ["*"], ["+@all"]),
        ("reader", ["*"], ["+@read", "+@connection"]),
        ("narrow", ["other:*"], ["+@all"]),
    ):
        client.acl_setuser(user, enabled=True, passwords=[f"+{PASSWORD}"], keys=keys, categories=categories)
    client.config_set("requirepass", PASSWORD)
    return real_server


def url_of(server: RealServer, user: str = "", password: str = PASSWORD) -> str:
    return f"redis://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("user", ["", "default", "loader"])
def test_user_and_password_open_the_server_and_are_not_shown(
    guarded_server: RealServer, file: Path, user: str, loaded_and_verified: LoadAndVerify
) -> None:
    said = loaded_and_verified(file, url_of(guarded_server, user))
    assert_secret(said)
    assert json.loads(said.splitlines()[0])["target"] == guarded_server.url
    assert held(guarded_server.client(password=PASSWORD), 3) == LINES


@pytest.mark.parametrize(
    ("user", "password", "sentence"),
    [
        ("", "wrong sesame", "the user name or password is wrong"),
        ("loader", "wrong sesame", "the user name or password is wrong"),
        ("nobody", PASSWORD, "the user name or password is wrong"),
        ("reader", PASSWORD, "this user may not run the command or touch the key"),
        ("narrow", PASSWORD, "the user narrow may not run MSET on the key 0; give it the permission"),
    ],
)
@pytest.mark.parametrize("output", [(), ("--json",)], ids=["text", "json"])
def test_whoever_may_not_write_is_refused_with_a_clear_sentence(
    guarded_server: RealServer,
    file: Path,
    user: str,
    password: str,
    sentence: str,
    output: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["load", str(file), "--to", url_of(guarded_server, user, password), *output]) == 4
    stdout, stderr = capsys.readouterr()
    assert sentence in stderr
    assert stderr.count("\n") == 1
    assert_secret(stdout + stderr)
    assert data_size(guarded_server.client(password=PASSWORD)) == 0


def assert_secret(said: str) -> None:
    for part in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), "sesame", "se/sa", "opén", "op%C3"):
        assert part not in said


WRONG_URLS = {
    "unreachable": "redis://:sesame@127.0.0.1:1/0",
    "unreachable with a user": "redis://ali:sesame@127.0.0.1:1/0",
    "unreachable by TLS": "rediss://ali:sesame@127.0.0.1:1/0",
    "unknown host": "redis://ali:sesame@no-such-host.invalid/0",
    "no socket": "unix://ali:sesame@/no/such/socket",
    "slash in the password": "redis://:sesame/open@127.0.0.1:1/0",
    "slash in front of the password": "redis://:open/sesame@127.0.0.1:1/0",
    "question mark in the password": "redis://:open?sesame@127.0.0.1:1/0",
    "hash in the password": "redis://:open#sesame@127.0.0.1:1/0",
    "at sign in the password": "redis://:sesame@open@127.0.0.1:1/0",
    "colon in the password": "redis://:sesame:open@127.0.0.1:1/0",
    "bracket in the password": "redis://:ses[ame-sesame@127.0.0.1:1/0",
    "percent in the password": "redis://:sesame%zz@127.0.0.1:1/0",
    "no port number": "redis://:sesame@127.0.0.1:port/0",
    "wrong port number": "redis://:sesame@127.0.0.1:99999/0",
    "no database number": "redis://:sesame@127.0.0.1:1/zero",
    "wrong scheme": "rediss+tls://:sesame@127.0.0.1:1/0",
    "no scheme": ":sesame@127.0.0.1:1",
    "unknown parameter": "redis://127.0.0.1:1/0?password=sesame",
    "unknown parameter for TLS": "rediss://127.0.0.1:1/0?ssl_password=sesame",
    "certificates not checked": "rediss://:sesame@127.0.0.1:1/0?ssl_cert_reqs=none",
    "embedded in a file": "embedded:/dev/null/../null",
}


@pytest.mark.parametrize("name", WRONG_URLS)
def test_no_password_is_shown_whatever_is_wrong_with_the_url(
    capsys: pytest.CaptureFixture[str], file: Path, name: str
) -> None:
    code = main(["load", str(file), "--to", WRONG_URLS[name], "--json"])
    stdout, stderr = capsys.readouterr()
    assert code in (2, 4)
    assert stderr.startswith("redis-etl: ")
    assert "Traceback" not in stderr
    assert "sesame" not in stdout + stderr


@pytest.mark.parametrize(
    "args",
    [
        ("load", "redis://:sesame@127.0.0.1/0"),
        ("load", "lines.txt", "--too", "redis://:sesame@127.0.0.1/0"),
        ("load", "lines.txt", "--workers", "redis://:sesame@127.0.0.1/0"),
        ("load", "lines.txt", "--workers", "redis://:sesame@127.0.0.1/0", "--json"),
        ("redis://:sesame@127.0.0.1/0",),
    ],
    ids=["as a source", "as an unknown option", "as a number", "in the report", "as a verb"],
)
def test_no_password_is_shown_when_the_url_stands_in_the_wrong_place(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    assert main(args) in (2, 3)
    assert "sesame" not in "".join(capsys.readouterr())
