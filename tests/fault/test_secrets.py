"""Passwords from a file, a prompt and the environment: they open the server, and are seen nowhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

import etl
from etl.errors import TargetError
from tests.fault.commands import (
    START_METHODS,
    Command,
    StartCommand,
    hold_in_the_middle,
    wait_for_the_middle,
)
from tests.fault.inline import Here
from tests.support import REPO, RealServer, RecordingProxy, data_size, in_session, run_cli, wait_until

PASSWORD = "opén/se sa:me#%@"


@pytest.fixture
def guarded(real_server: RealServer) -> RealServer:
    """A server with one password for everybody and for the user ``loader``."""
    client: Any = real_server.client()
    client.execute_command("ACL", "SETUSER", "loader", "on", f">{PASSWORD}", "~*", "+@all")
    client.config_set("requirepass", PASSWORD)
    return real_server


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text("one\ntwo\nthree\n")
    return tmp_path / "lines.txt"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path / "password"


def unseen(*said: str) -> None:
    for piece in ("opén", "op\\u00e9n", "op%C3%A9n", "se sa", "sa:me", "se%20sa"):
        assert piece not in "".join(said)


@pytest.mark.parametrize(
    ("user", "method"), [*((("--user", "loader"), method) for method in START_METHODS), ((), "forkserver")]
)
def test_a_password_in_a_file_opens_the_server_for_all_workers(
    guarded: RealServer, lines: Path, password_file: Path, method: str, user: tuple[str, ...]
) -> None:
    options = ("--password-file", str(password_file), "--workers", "2", "--start-method", method, *user)
    for verb in ("load", "verify") if method == "forkserver" else ("load",):
        ended = run_cli(verb, lines, "--to", guarded.url, *options, "--json")
        assert ended.returncode == 0, ended.stderr
        unseen(ended.stdout, ended.stderr)
    assert data_size(guarded.client(password=PASSWORD)) == 3


def test_a_password_in_the_environment_opens_the_server(guarded: RealServer, lines: Path) -> None:
    for url, env in ((guarded.url, {}), ("", {"REDIS_URL": guarded.url})):
        to = ("--to", url) if url else ()
        ended = run_cli("load", lines, *to, "--json", env={"REDISCLI_AUTH": PASSWORD, **env})
        assert ended.returncode == 0, ended.stderr
        unseen(ended.stdout, ended.stderr)


def test_without_a_password_the_server_is_closed(guarded: RealServer, lines: Path) -> None:
    ended = run_cli("load", lines, "--to", guarded.url)
    assert ended.returncode == 4
    assert "the server wants a password" in ended.stderr


def test_a_wrong_password_is_shown_nowhere_wherever_it_came_from(
    guarded: RealServer, lines: Path, tmp_path: Path
) -> None:
    wrong = f"{PASSWORD}x"
    (tmp_path / "wrong").write_text(wrong)
    ways: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "file": (("--password-file", str(tmp_path / "wrong")), {}),
        "environment": ((), {"REDISCLI_AUTH": wrong}),
    }
    for options, env in ways.values():
        to = ("--to", guarded.url, "--workers", "2", *options)
        ended = run_cli("load", lines, *to, "--json", env=env)
        assert ended.returncode == 4
        assert "the user name or password is wrong" in ended.stderr
        assert ended.stderr.count("\n") == 1
        unseen(ended.stdout, ended.stderr)


@pytest.mark.parametrize("options", [{}, {"workers": 2}])
def test_an_error_in_python_has_no_password_in_it_nor_in_the_variables_around_it(
    guarded: RealServer, lines: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    (tmp_path / "wrong").write_text(f"{PASSWORD}x")
    chosen = etl.LoadOptions(to=guarded.url, password_file=str(tmp_path / "wrong"), **options)
    with pytest.raises(TargetError) as caught:
        etl.load(lines, options=chosen)
    shown = pytest.ExceptionInfo.from_exception(caught.value).getrepr(showlocals=True, style="long")
    unseen(str(shown), repr(chosen))


@pytest.mark.parametrize("method", START_METHODS)
def test_no_command_line_of_any_process_and_no_file_has_the_password(
    start: StartCommand,
    guarded: RealServer,
    proxy: RecordingProxy,
    big_file: Path,
    password_file: Path,
    tmp_path: Path,
    method: str,
) -> None:
    hold_in_the_middle(proxy)
    options = ("--password-file", password_file, "--workers", "2", "--start-method", method)
    command = start("load", big_file, "--to", proxy.url, *options, fresh=True)
    wait_for_the_middle(proxy, 2)
    pids = in_session(command.pid)
    assert len(pids) > 2
    unseen(*(Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in pids))
    unseen(*(Path(f"/proc/{pid}/environ").read_bytes().decode() for pid in pids))
    proxy.release()
    ended = command.end()
    assert ended.code == 0
    unseen(ended.stdout, ended.stderr)
    client = guarded.client(password=PASSWORD)
    for key in client.scan_iter("etl:*"):
        unseen(str(key), str(client.dump(key)))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: No such file or directory"), ("", "is empty"), ("\nx\n", "is empty")],
)
def test_a_file_without_a_password_is_a_clear_error(
    here: Here, lines: Path, tmp_path: Path, content: str | None, says: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    ended = here.run("load", lines, "--to", "redis://127.0.0.1:1", "--password-file", path)
    assert ended.code == 2
    assert ended.stderr.startswith(f"redis-etl: --password-file {path} {says}")


@pytest.mark.parametrize("option", [("--user", "me"), ("--ask-password",), ("--password-file", "x")])
def test_an_embedded_server_wants_no_password(
    here: Here, lines: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    ended = here.run("load", lines, "--to", f"embedded:{tmp_path / 'db'}", *option)
    assert ended.code == 2
    assert "has no effect with an embedded server" in ended.stderr
    assert not (tmp_path / "db").exists()


def test_an_embedded_server_is_not_given_the_password_of_another(lines: Path, tmp_path: Path) -> None:
    to = ("--to", f"embedded:{tmp_path / 'db'}")
    ended = run_cli("load", lines, *to, env={"REDISCLI_AUTH": PASSWORD})
    assert ended.returncode == 0, ended.stderr


# The prompt

ON_A_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first one that a session opens is its terminal
os.dup2(terminal, 0)
os.execv(sys.executable, [sys.executable, "-m", "etl", *sys.argv[2:]])
"""


class Prompted:
    """A command with a terminal of its own; stdout and stderr are pipes."""

    def __init__(self, *args: str | Path) -> None:
        self._master, slave = pty.openpty()
        name = os.ttyname(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, name, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPO,
            start_new_session=True,
        )
        self.command = Command(self.process)
        self.shown = ""
        self._slave = slave  # kept, so that the terminal lasts until all is read
        self._echoes = True

    @property
    def echoes(self) -> bool:
        """Return True if the terminal shows what is typed (or did so at the end)."""
        return self._echoes if self._slave < 0 else bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def wait_for(self, text: str) -> None:
        while text not in self.shown:
            self.shown += os.read(self._master, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str, str]:
        ended = self.command.end()
        wait_until(lambda: not in_session(self.process.pid), what="the end of all")
        os.set_blocking(self._master, False)
        while True:
            try:
                self.shown += os.read(self._master, 4096).decode()
            except BlockingIOError:
                break
        self._echoes = self.echoes
        os.close(self._slave)
        os.close(self._master)
        self._slave = -1
        return ended.code, ended.stdout, ended.stderr


def test_a_password_is_asked_for_on_the_terminal_and_not_echoed(guarded: RealServer, lines: Path) -> None:
    prompted = Prompted("load", lines, "--to", guarded.url, "--ask-password", "--workers", "2", "--json")
    prompted.wait_for(f"Password for {guarded.url}: ")
    prompted.type(f"{PASSWORD}\n")
    code, stdout, stderr = prompted.end()
    assert code == 0, stderr
    assert json.loads(stdout)["records"]["written"] == 3
    unseen(stdout, stderr, prompted.shown)


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        (f"{PASSWORD}x\n", 4, "the user name or password is wrong"),
        ("\n", 2, "--ask-password: no password was typed"),
        ("\x04", 2, "--ask-password: no password was typed"),
        ("\x03", 130, "stopped by SIGINT"),
    ],
    ids=["wrong", "empty", "Ctrl-D", "Ctrl-C"],
)
def test_what_is_typed_instead_of_the_password_is_a_clear_error(
    guarded: RealServer, lines: Path, typed: str, code: int, says: str
) -> None:
    prompted = Prompted("load", lines, "--to", guarded.url, "--ask-password")
    prompted.wait_for("Password for")
    prompted.type(typed)
    ended, stdout, stderr = prompted.end()
    assert ended == code, stderr
    assert says in stderr
    assert stderr.count("\n") == 1
    unseen(stdout, stderr, prompted.shown)


def test_a_signal_at_the_prompt_leaves_the_terminal_as_it_was(guarded: RealServer, lines: Path) -> None:
    prompted = Prompted("load", lines, "--to", guarded.url, "--ask-password")
    prompted.wait_for("Password for")
    wait_until(lambda: not prompted.echoes, what="the end of echo")
    prompted.command.signal(SIGTERM)
    code, _, stderr = prompted.end()
    assert code == 143
    assert stderr == "redis-etl: stopped by SIGTERM\n"
    assert prompted.echoes


def test_a_password_is_asked_for_only_when_the_options_and_sources_are_right(tmp_path: Path) -> None:
    ended = run_cli("load", tmp_path / "missing.txt", "--to", "redis://127.0.0.1:1", "--ask-password")
    assert ended.returncode == 3


def test_without_a_terminal_nobody_is_asked_and_nothing_is_read(guarded: RealServer) -> None:
    ended = run_cli("load", "-", "--to", guarded.url, "--ask-password", input=f"{PASSWORD}\n")
    assert ended.returncode == 2
    assert "--ask-password needs a terminal" in ended.stderr
    unseen(ended.stdout, ended.stderr)
