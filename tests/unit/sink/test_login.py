"""Where user and password come from, in which order, and what is said where there is none."""

from __future__ import annotations

import getpass
import os
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import LoadOptions
from etl.sink.address import Address, connection_arguments
from etl.sink.login import address_of
from tests.cases import cases

URL = "redis://host:7/1"


def found(url: str = URL, environment: dict[str, str] | None = None, **options: Any) -> Address:
    return address_of(url, LoadOptions(**options), environment or {})


def password_of(address: Address) -> str | None:
    return connection_arguments(address).get("password")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("of the file\n")
    return tmp_path / "password"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a terminal at which somebody types a password; give the prompts."""
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "typed"

    monkeypatch.setattr(getpass, "getpass", ask)
    return prompts


def test_the_first_of_url_file_prompt_and_environment_is_the_password(file: Path, typed: list[str]) -> None:
    environment = {"REDISCLI_AUTH": "of the environment"}
    assert password_of(found()) is None
    assert password_of(found(environment={"REDISCLI_AUTH": ""})) is None
    assert password_of(found(environment=environment)) == "of the environment"
    assert password_of(found(environment=environment, ask_password=True)) == "typed"
    assert typed == ["Password for redis://host:7/1: "]
    both: dict[str, Any] = {"ask_password": True, "password_file": str(file)}
    assert password_of(found(environment=environment, **both)) == "of the file"
    assert password_of(found("redis://:own@host", environment, **both)) == "own"
    assert password_of(found("redis://:own@host", ask_password=True)) == "own"
    assert len(typed) == 1


def test_the_user_is_the_one_in_the_url_or_else_the_option() -> None:
    for url, user in ((URL, "me"), ("redis://you@host", "you"), ("unix://you@/run/r.sock", "you")):
        arguments = connection_arguments(found(url, {"REDISCLI_AUTH": "s"}, user="me"))
        assert (arguments["username"], arguments["password"]) == (user, "s")
    assert "username" not in connection_arguments(found())


@cases(
    ("content", "password"),
    [
        (b"se same", "se same"),
        (b"sesame\n", "sesame"),
        (b"sesame\r\nanother\n", "sesame"),
        (b" sesame \n", " sesame "),
        ("öffne#%/@".encode(), "öffne#%/@"),
    ],
)
def test_the_first_line_of_a_file_is_the_password(file: Path, content: bytes, password: str) -> None:
    file.write_bytes(content)
    assert password_of(found(password_file=str(file))) == password


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: its first line is the password"),
        (b"\nsesame\n", "is empty"),
        (b"\r\nsesame", "is empty"),
        (b"sesame\xff\n", "is not valid UTF-8"),
    ],
)
def test_a_file_without_a_password_is_refused(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    refused(says, password_file=str(file))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    refused("cannot be read: No such file or directory", password_file=str(tmp_path / "none"))
    refused("cannot be read: Is a directory", password_file=str(tmp_path))
    refused("cannot be read: embedded null byte", password_file="a\0b")


def refused(says: str, environment: dict[str, str] | None = None, **options: Any) -> None:
    """See that it is refused with this sentence, and that nothing shows any of the password."""
    with pytest.raises(UsageError) as caught:
        found(environment=environment, **options)
    assert says in str(caught.value)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


def test_a_password_that_is_no_text_is_refused() -> None:
    refused("$REDISCLI_AUTH is not valid UTF-8", {"REDISCLI_AUTH": os.fsdecode(b"sesame\xff")})


@pytest.mark.parametrize("raised", [EOFError(), None], ids=["end of input", "nothing typed"])
def test_an_empty_password_is_refused(monkeypatch: pytest.MonkeyPatch, raised: Exception | None) -> None:
    def ask(prompt: str) -> str:
        if raised is not None:
            raise raised
        return ""

    monkeypatch.setattr(getpass, "getpass", ask)
    refused("no password was typed", ask_password=True)


def test_without_a_terminal_nothing_is_read_from_anywhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError("it reads on")

    monkeypatch.setattr(getpass, "getpass", ask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as outside of these tests, where a warning is no error
        refused("--ask-password needs a terminal", ask_password=True)
