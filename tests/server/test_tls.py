"""``rediss://``: the certificate and the host's name are checked, and big loads pass."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from etl.errors import TargetError
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.embedded.binary import server_binary
from tests.fault.commands import Ended, run_here
from tests.server.tls import TlsFront
from tests.support import RealServer, ScriptedServer, StartServer, data_size, free_port, run_cli
from tests.support.sentinel import NAME, names

RECORDS = 30_000


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority, and its certificate in a file."""

    ca: trustme.CA
    path: Path

    @classmethod
    def make(cls, path: Path) -> Authority:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(path))
        return cls(ca, path)


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server with a plain and a TLS port; ``authority`` has signed its certificate for localhost."""

    plain: RealServer
    port: int
    authority: Authority
    trusted: str

    def url(self, host: str = "localhost", *parameters: str) -> str:
        return f"rediss://{host}:{self.port}/0?" + "&".join(parameters or [self.trusted])


def knows_tls() -> bool:
    """Ask the binary: one without TLS knows no option of this name."""
    asked = subprocess.run(
        [server_binary(), "--port", "0", "--tls-port", "0", "--no-such-option", "1"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    said = asked.stdout + asked.stderr
    assert "FATAL CONFIG FILE ERROR" in said, said
    return "'tls-port" not in said.replace('"', "'")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "ca.pem")


@pytest.fixture
def tls_server(tmp_path: Path, start_server: StartServer, authority: Authority) -> Iterator[TlsServer]:
    yield from tls_servers(tmp_path, start_server, authority, clients="no")


@pytest.fixture
def strict_tls_server(tmp_path: Path, start_server: StartServer, authority: Authority) -> Iterator[TlsServer]:
    """One that wants a certificate from its clients too."""
    yield from tls_servers(tmp_path, start_server, authority, clients="yes")


def tls_servers(
    folder: Path, start_server: StartServer, authority: Authority, clients: str
) -> Iterator[TlsServer]:
    certificate = authority.ca.issue_cert("localhost")
    pem, key = folder / "server.pem", folder / "server.key"
    certificate.cert_chain_pems[0].write_to_path(str(pem))
    certificate.private_key_pem.write_to_path(str(key))
    trusted = f"ssl_ca_certs={authority.path}"
    if knows_tls():
        port = free_port()
        files = ("--tls-cert-file", pem, "--tls-key-file", key, "--tls-ca-cert-file", authority.path)
        options = ("--tls-port", str(port), *map(str, files), "--tls-auth-clients", clients)
        yield TlsServer(start_server(*options), port, authority, trusted)
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.path))
    context.load_cert_chain(pem, key)
    if clients == "yes":
        context.verify_mode = ssl.CERT_REQUIRED
    plain = start_server()
    with TlsFront(context, plain.port) as front:
        yield TlsServer(plain, front.port, authority, trusted)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "lines.txt"
    path.write_text("".join(f"{number:<999}\n" for number in range(RECORDS)))
    return path


def refused(file: Path, url: str, *options: str, code: int = 4) -> str:
    ended = run_cli("load", file, "--to", url, "--progress", "none", *options)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    return ended.stderr.removeprefix("redis-etl: ").rstrip("\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_big_load_and_its_verification_pass_through_tls(
    file: Path, tls_server: TlsServer, workers: str
) -> None:
    for verb in ("load", "verify"):
        ended = run_cli(verb, file, "--to", tls_server.url(), "--workers", workers, "--progress", "none")
        assert ended.returncode == 0, ended.stderr
    assert data_size(tls_server.plain.client()) == RECORDS
    assert tls_server.plain.client().get("29999") == b"29999".ljust(999)


def test_a_line_of_64_megabytes_passes_through_tls(tls_server: TlsServer, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_bytes(b"x" * (64 << 20) + b"\nshort\n")
    for verb in ("load", "verify"):
        options = (
            "--max-record",
            "70MB",
            "--progress",
            "none",
        )  # a record is at most 64 MB of its own accord
        ended = run_cli(verb, tmp_path / "long.txt", "--to", tls_server.url(), *options)
        assert ended.returncode == 0, ended.stderr
    assert tls_server.plain.client().strlen("0") == 64 << 20


def test_an_unknown_authority_is_not_trusted(file: Path, tls_server: TlsServer, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other.pem")
    sentence = refused(file, tls_server.url("localhost", f"ssl_ca_certs={other.path}"))
    assert sentence.startswith(
        f"cannot reach rediss://localhost:{tls_server.port}/0: its certificate is not trusted: "
    )
    assert data_size(tls_server.plain.client()) == 0


def test_without_an_authority_the_systems_decide(file: Path, tls_server: TlsServer) -> None:
    sentence = refused(file, tls_server.url("localhost", ""))
    assert "its certificate is not trusted: " in sentence


def test_a_certificate_for_another_host_is_not_trusted(file: Path, tls_server: TlsServer) -> None:
    sentence = refused(file, tls_server.url("127.0.0.1"))
    assert "its certificate is not trusted: " in sentence
    assert "127.0.0.1" in sentence.partition("not trusted")[2]
    assert data_size(tls_server.plain.client()) == 0


def test_a_server_without_tls_is_a_clear_error(tls_server: TlsServer) -> None:
    # It waits for the rest of what it takes for a command, and never answers.
    shown = f"rediss://localhost:{tls_server.plain.port}/0"
    target = StandaloneTarget(parse_address(f"{shown}?{tls_server.trusted}"), read_timeout_s=0.3)
    with pytest.raises(TargetError) as failure:
        target.connect("test")
    assert str(failure.value) == f"{shown} does not answer; is a Redis server with TLS running there?"


def test_a_plain_connection_to_a_tls_port_is_a_clear_error(file: Path, tls_server: TlsServer) -> None:
    # It hangs up without a word, as a server does that is being restarted.
    sentence = refused(file, f"redis://localhost:{tls_server.port}/0", "--retry-for", "0.1")
    assert f"redis://localhost:{tls_server.port}/0" in sentence


def test_a_file_of_authorities_that_is_missing_is_a_clear_error(
    file: Path, tls_server: TlsServer, tmp_path: Path
) -> None:
    url = tls_server.url("localhost", f"ssl_ca_certs={tmp_path / 'missing.pem'}")
    sentence = refused(file, url, code=2)  # what the URL says is wrong: nobody was connected to
    assert "no such file or directory" in sentence.lower()
    assert str(tmp_path / "missing.pem") in sentence


def test_a_client_certificate_opens_a_server_that_wants_one(
    file: Path, strict_tls_server: TlsServer, tmp_path: Path
) -> None:
    client = strict_tls_server.authority.ca.issue_cert("client@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    both = f"ssl_certfile={tmp_path / 'client.pem'}", f"ssl_keyfile={tmp_path / 'client.pem'}"
    url = strict_tls_server.url("localhost", strict_tls_server.trusted, *both)
    ended = run_cli("load", file, "--to", url, "--progress", "none")
    assert ended.returncode == 0, ended.stderr
    sentence = refused(file, strict_tls_server.url(), "--retry-for", "0.1")
    assert sentence.startswith(f"cannot reach rediss://localhost:{strict_tls_server.port}/0: ")


def test_nobody_can_turn_the_check_off(file: Path, tls_server: TlsServer) -> None:
    ended = run_cli("load", file, "--to", tls_server.url("localhost", "ssl_cert_reqs=none"))
    assert ended.returncode == 2
    assert "would let anybody pose as the server" in ended.stderr


def test_only_with_tls_insecure_anybody_is_taken_for_the_server(file: Path, tls_server: TlsServer) -> None:
    for parameters in ("", "ssl_cert_reqs=none"):
        to = ("--to", tls_server.url("127.0.0.1", parameters), "--progress", "none")
        assert run_cli("load", file, *to).returncode == (2 if parameters else 4)
        assert tls_server.plain.client().dbsize() == 0
        ended = run_cli("load", file, *to, "--tls-insecure", "--workers", "2")
        assert ended.returncode == 0, ended.stderr
        assert data_size(tls_server.plain.client()) == RECORDS
        tls_server.plain.client().flushall()


def test_tls_insecure_makes_no_tls(file: Path, tls_server: TlsServer) -> None:
    ended = run_cli("load", file, "--to", tls_server.plain.url, "--tls-insecure")
    assert ended.returncode == 2
    assert "--tls-insecure is for a server with TLS: rediss://" in ended.stderr


def test_user_password_and_client_certificate_together_open_the_server(
    strict_tls_server: TlsServer, tmp_path: Path
) -> None:
    client: Any = strict_tls_server.plain.client()
    client.execute_command("ACL", "SETUSER", "loader", "on", ">sesame", "~k:*", "~etl:*", "+@all")
    (tmp_path / "password").write_text("sesame\n")
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    url = strict_tls_server.url(
        "localhost", strict_tls_server.trusted, *client_files(strict_tls_server, tmp_path)
    )
    login = ("--to", url, "--user", "loader", "--password-file", tmp_path / "password", "--workers", "2")
    for verb in ("load", "verify"):
        ended = run_cli(verb, tmp_path / "few.txt", *login, "--key", "k:{#}")
        assert ended.returncode == 0, ended.stderr
    assert client.mget("k:0", "k:1") == [b"one", b"two"]
    ended = run_cli("load", tmp_path / "few.txt", *login, "--key", "other:{#}")
    assert ended.returncode == 4
    assert "the user loader may not run MSET on the key other:0" in ended.stderr


def client_files(server: TlsServer, folder: Path) -> tuple[str, str]:
    """Make a client's certificate and key; give the URL's parameters that name them."""
    client = server.authority.ca.issue_cert("client@example.com")
    client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    return f"ssl_certfile={folder / 'client.pem'}", f"ssl_keyfile={folder / 'client.key'}"


def test_a_client_certificate_of_another_authority_opens_nothing(
    file: Path, strict_tls_server: TlsServer, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other.pem").ca.issue_cert("client@example.com")
    other.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "other.key"))
    both = f"ssl_certfile={tmp_path / 'other.key'}", f"ssl_keyfile={tmp_path / 'other.key'}"
    url = strict_tls_server.url("localhost", strict_tls_server.trusted, *both)
    sentence = refused(file, url, "--retry-for", "0.1")
    assert sentence.startswith(f"cannot reach rediss://localhost:{strict_tls_server.port}/0: ")
    assert strict_tls_server.plain.client().dbsize() == 0


def test_a_client_key_with_a_passphrase_is_a_clear_error_and_no_question(
    file: Path, strict_tls_server: TlsServer, tmp_path: Path
) -> None:
    files = client_files(strict_tls_server, tmp_path)
    key = load_pem_private_key((tmp_path / "client.key").read_bytes(), None)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"a passphrase")
    )
    (tmp_path / "client.key").write_bytes(locked)
    url = strict_tls_server.url("localhost", strict_tls_server.trusted, *files)
    assert refused(file, url) == (
        f"cannot reach rediss://localhost:{strict_tls_server.port}/0:"
        " a file of certificates or the key is not in PEM format, or has a passphrase"
    )


def test_sentinels_and_their_primary_are_both_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tls_server: TlsServer
) -> None:
    few = tmp_path / "few.txt"
    few.write_text("one\ntwo\n")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    host = "localhost"

    def load(*options: str, parameters: str = tls_server.trusted) -> Ended:
        url = f"rediss+sentinel://localhost:{front.port}/{NAME}?{parameters}"
        return run_here(capsys, "load", few, "--to", url, "--retry-for", "0", *options)

    def answer(command: list[bytes]) -> bytes | None:
        return names(tls_server.port, host=host)(command)

    with ScriptedServer(answer) as sentinel, TlsFront(context, sentinel.port) as front:
        assert load().code == 0
        assert data_size(tls_server.plain.client()) == 2
        untrusted = load(parameters="")
        assert untrusted.code == 4
        assert "no Sentinel answers: " in untrusted.sentence
        assert "(Sentinel): its certificate is not trusted" in untrusted.sentence
        host = "127.0.0.1"  # the certificate is for localhost
        elsewhere = load()
        assert elsewhere.code == 4
        assert f"rediss://127.0.0.1:{tls_server.port}/0 (primary of {NAME}): its certificate is not" in (
            elsewhere.sentence
        )
        assert load("--tls-insecure", parameters="").code == 0
