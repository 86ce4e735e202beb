"""The parent's side: the server is told to replicate from here, and is given back as it was, or with all."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.encode.rdb.file import END, TRAILER_BYTES, header
from etl.encode.rdb.length import rdb_length
from etl.encode.resp.protocol import plain
from etl.errors import EtlError, TargetError
from etl.plan import StopFlag, Wire
from etl.plan.error_reply import ErrorReply
from etl.sink.control import ask_through
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.error_replies import failure
from etl.sink.replication.facts import SETTINGS, SWAP, ServerState, read_settings, read_state
from etl.sink.replication.handshake import Expected, Listener
from etl.sink.replication.put_back import Before, Command, put_back
from etl.sink.replication.settings import changes, padding_for, token_of
from etl.sink.replication.turns import Turns, Writing
from etl.sink.replication.watcher import Watcher

_TOKEN_BYTES = 24
_LOADED_WITHIN_S = 120.0
"""How long a server that has the whole stream may be silent while it makes a data set of it."""

_FUNCTIONS_END_BYTES = 10
"""What FUNCTION DUMP adds to the functions: the version and checksum of its payload."""

_ADVICE = "; the server's log says why"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a replacement.

    ``host`` and ``port`` are where the server is awaited (None, 0: where it is reached from, any). ``key`` is
    where it is noted what is put back. ``entries`` are how many keys are expected, 0 where that is unknown.
    """

    database: int
    key: bytes
    host: str | None = None
    port: int = 0
    entries: int = 0


class Replacement:
    """A server whose data set is being replaced, from ``begin`` to ``keep`` or ``abandon``.

    ``failed`` is called, in another thread, with the error that has ended the stream. While the server is
    ours a signal must raise nothing: whoever calls sees to that.
    """

    def __init__(
        self, target: StandaloneTarget, state: ServerState, asked: Asked, failed: Callable[[EtlError], None]
    ) -> None:
        self._target = target
        self._state = state
        self._asked = asked
        self._failed = failed
        self._before: Before | None = None
        self._watcher: Watcher | None = None
        self._writing: Writing | None = None
        self._mark = b""
        self.turns: Turns | None = None
        self.ending = self.loaded = False

    @property
    def begun(self) -> bool:
        """Return True if the server was touched."""
        return self._before is not None

    def begin(self, stop: StopFlag) -> str:
        """Have the server come to us; return the path of the socket through which workers take their turns.

        Raises TargetError, where it is to be abandoned.
        """
        local, remote = _ends(self._target)
        with contextlib.closing(Listener(self._asked.host or local, self._asked.port)) as listener:
            planned = changes(self._state, secrets.token_urlsafe(_TOKEN_BYTES))
            now = self._state.settings or {}
            old = {name: now[name] for name in planned}
            self._before = Before(listener.host, listener.port, old, self._asked.key)
            noted = (b"SET", self._asked.key, self._before.dump())
            self._watcher = Watcher(self._target, self._before)
            _require(self._target, ask_through(self._target, plain(noted), stop))
            changed = _set(self._target, planned, stop)
            functions = _functions(self._target, stop)
            follow = (b"REPLICAOF", listener.host.encode(), b"%d" % listener.port)
            _require(self._target, ask_through(self._target, plain(follow), stop))
            expected = Expected(remote, token_of(self._state, changed), self._state.replid)
            connection, self._mark = listener.accept(expected, self._target, stop)
        self._writing = Writing(connection, str(self._target), self._target.read_timeout_s)
        self._writing.write(self._header(functions))
        padding = padding_for(self._state, changed)
        self.turns = Turns(self._writing, self._failed, pad_bytes=padding.nbytes, pad_every_s=padding.every_s)
        self.turns.start()
        return self.turns.path

    def _header(self, functions: bytes) -> bytes:
        head = header(self._state.rdb_version, {b"redis-bits": b"64"}, keys=0, expires=0)
        select = b"\xfe" + rdb_length(self._asked.database)
        sizes = b"\xfb" + rdb_length(self._asked.entries) + rdb_length(0)
        return head + functions + select + sizes

    def ended_turns(self) -> Turns:
        """Have no worker write any more; return what they have written. Raises TargetError."""
        assert self.turns is not None
        self.turns.leave()
        return self.turns

    def finish(self, last: Wire) -> None:
        """Write ``last`` and the end, after which the server has the new data set. Raises TargetError."""
        assert self._writing is not None
        self._writing.write(*last.buffers)
        self.ending = True
        self._writing.write(END, bytes(TRAILER_BYTES), self._mark)  # NOTE(checksum)
        self._await_loaded()
        self.loaded = True

    def _await_loaded(self) -> None:
        """Wait until the server acknowledges, as a replica does that is up to date."""
        assert self._writing is not None
        connection = self._writing.socket
        connection.settimeout(_LOADED_WITHIN_S)
        said = b""
        try:
            while b"ACK" not in said:
                if not (data := connection.recv(1 << 16)):
                    raise TargetError(
                        f"{self._target} has not taken the data set that it was sent as a whole{_ADVICE}"
                    )
                said = (said + data.replace(b"\n", b""))[-100:]
        except OSError as error:
            raise TargetError(
                f"{self._target} has not acknowledged the data set: {error.strerror or error}{_ADVICE}"
            ) from None

    def keep(self, then: Sequence[Command], stop: StopFlag) -> list[Any]:
        """Make the server a primary, with the new data set; return the replies to the commands that follow.

        Raises TargetError.
        """
        return self._end(then, stop)

    def abandon(self, stop: StopFlag) -> None:
        """Cut the connection, and make the server a primary again, with what it has. Raises TargetError."""
        if self._writing is not None:
            self._writing.cut()
        if self.turns is not None:
            self.turns.cut()
        if self._before is not None:
            self._end((), stop)

    def _end(self, then: Sequence[Command], stop: StopFlag) -> list[Any]:
        assert self._before is not None
        done = False
        try:
            replies = put_back(self._target, self._before, stop, then=then)
            done = True
        except EtlError as error:
            raise TargetError(
                f"{self._target} may still be told to replicate from {self._before.host}:{self._before.port}:"
                f" {error}; a process that is left behind goes on trying; by hand: redis-cli REPLICAOF NO ONE"
            ) from None
        finally:
            if self._watcher is not None:
                self._watcher.leave(done=done)
            if self._writing is not None:
                self._writing.socket.close()
        return replies


def ask_state(target: StandaloneTarget, stop: StopFlag) -> ServerState | None:
    """Ask a server what it is, and has; None where it does not tell. Raises TargetError, StoppedError."""
    asked = [(b"INFO",), (b"CLIENT", b"LIST"), *((b"CONFIG", b"GET", name.encode()) for name in SETTINGS)]
    info, clients, *found = ask_through(target, plain(*asked), stop)
    told = [words for words in found if isinstance(words, list)]
    settings = [word for words in told for word in words] if told else None
    return read_state(info, clients, settings, writable=bool(told) and _writable(target, settings, stop))


def _writable(target: StandaloneTarget, settings: Any, stop: StopFlag) -> bool:
    """Return True if settings can be changed: tried with one, to the value that it has."""
    value = (read_settings(settings) or {}).get(SWAP)
    if value is None:
        return False
    (reply,) = ask_through(target, plain((b"CONFIG", b"SET", SWAP.encode(), value.encode())), stop)
    return bool(reply == b"OK")


def _ends(target: StandaloneTarget) -> tuple[str, str]:
    """Return the addresses of this machine and of the server, as a connection to it has them."""
    with contextlib.closing(target.connect("redis-etl")) as session:
        connected: socket.socket = session.transport.socket
        if connected.family == socket.AF_UNIX:
            return "127.0.0.1", "127.0.0.1"
        return connected.getsockname()[0], connected.getpeername()[0]


def _require(target: object, replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, ErrorReply):
            raise failure(reply, target)


def _set(target: StandaloneTarget, planned: Mapping[str, str], stop: StopFlag) -> Mapping[str, str]:
    """Change settings one by one; return those that were changed."""
    if not planned:
        return planned
    words = [(b"CONFIG", b"SET", name.encode(), value.encode()) for name, value in planned.items()]
    replies = ask_through(target, plain(*words), stop)
    return {name: planned[name] for name, reply in zip(planned, replies, strict=True) if reply == b"OK"}


def _functions(target: StandaloneTarget, stop: StopFlag) -> bytes:
    """Return the server's functions as a stream has them: NOTE(functions)."""
    (dumped,) = ask_through(target, plain((b"FUNCTION", b"DUMP")), stop)
    return bytes(dumped[:-_FUNCTIONS_END_BYTES]) if isinstance(dumped, bytes) else b""
