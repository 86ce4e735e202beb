"""A RESP server in threads whose answers a test writes itself."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

from tests.support.jobs import Command, JobKeys

Response = Callable[[Command], bytes | None]

OK = b"+OK\r\n"
NO_REPLY = b""
CLOSE = None

_TINY_BYTES = 4096  # the kernel doubles it, and has a floor of its own


def error(text: str) -> bytes:
    """Return an error reply: ``error("OOM command not allowed when used memory > 'maxmemory'.")``."""
    return b"-%s\r\n" % text.encode()


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def integer(number: int) -> bytes:
    return b":%d\r\n" % number


def nth(number: int, reply: bytes | None, *, of: str, otherwise: bytes | None = OK) -> Response:
    """Return an answer: ``reply`` to the ``number``-th command named ``of``, else ``otherwise``.

    Counted from 1, over all connections together.
    """
    seen = 0

    def answer(command: Command) -> bytes | None:
        nonlocal seen
        if command[0].upper() != of.encode():
            return otherwise
        seen += 1
        return reply if seen == number else otherwise

    return answer


class ScriptedServer:
    """Answers redis-py's handshake by itself and every other command by ``answer(command)``.

    ``answer`` returns the raw reply; ``NO_REPLY`` to stay silent; ``CLOSE`` (None) to end the connection.
    It is called by one thread at a time, so it may count without a lock. HELLO, AUTH, SELECT, PING and
    CLIENT are answered here, and not recorded; so are the commands on a job's record and its lock, which are
    kept in ``jobs``; and INFO, COMMAND, ACL and CLUSTER, what a loader asks before it loads, by
    ``questions(command)``: unless given, as by a server that knows of them no more than its own run id.

    With ``greedy_replies`` (as Redis does) commands are read whether or not the client reads its replies.
    Without, the server has tiny socket buffers and reads nothing more while a reply waits to be taken: a
    client that writes everything before it reads stops there for ever.

    Use it in a ``with``; an exception in ``answer`` is raised at its end.
    """

    def __init__(
        self,
        answer: Response = lambda command: OK,
        *,
        greedy_replies: bool = True,
        questions: Response | None = None,
    ) -> None:
        self._answer = answer
        self._questions = questions or _only_run_id
        self._greedy = greedy_replies
        self._listener = socket.socket()
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        if not greedy_replies:
            _make_tiny(self._listener)  # before the window is agreed on: connections inherit it
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._commands: list[Command] = []
        self._by_connection: list[list[Command]] = []
        self.jobs = JobKeys()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._stopping = False
        self._failure: BaseException | None = None

    def __enter__(self) -> ScriptedServer:
        self._spawn(self._accept_all)
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopping = True
            for connection in self._open:
                _shut(connection)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 30):
            pass  # only to wake up accept()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        if self._failure is not None:
            raise self._failure

    @property
    def commands(self) -> list[Command]:
        """The commands received so far, without those of the handshake, over all connections."""
        with self._changed:
            return list(self._commands)

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        with self._changed:
            return len(self._by_connection)

    @property
    def conversations(self) -> list[list[Command]]:
        """The same commands by connection, in the order in which these were accepted."""
        with self._changed:
            return [list(commands) for commands in self._by_connection]

    def wait_for_commands(self, count: int, timeout_s: float = 30) -> None:
        """Return when ``count`` commands have been received."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._commands) >= count, timeout_s):
                raise AssertionError(
                    f"{len(self._commands)} commands came in {timeout_s} seconds, not {count}"
                )

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=self._guarded, args=(target, *args), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, target: Callable[..., None], *args: object) -> None:
        try:
            target(*args)
        except OSError:
            return  # the client went away, or the server is being stopped
        except BaseException as failure:  # noqa: BLE001  __exit__ raises it in the test's thread
            self._failure = failure

    def _accept_all(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with self._changed:
                if self._stopping:
                    connection.close()
                    return
                heard: list[Command] = []
                self._by_connection.append(heard)
                self._open.append(connection)
                self._spawn(self._serve, connection, heard)

    def _serve(self, connection: socket.socket, heard: list[Command]) -> None:
        replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        send: Callable[[bytes | None], None] = replies.put
        if self._greedy:
            self._spawn(_send_all, connection, replies)
        else:
            send = _sender(connection)
        try:
            self._converse(connection, send, heard)
        finally:
            with self._changed:
                self._open.remove(connection)
            send(None)  # the last of the connection: whoever sends closes it after all that was to be sent

    def _converse(
        self, connection: socket.socket, send: Callable[[bytes | None], None], heard: list[Command]
    ) -> None:
        """Read and answer commands until either side ends the connection."""
        import hiredis

        reader = hiredis.Reader()
        while data := connection.recv(_TINY_BYTES if not self._greedy else 1 << 16):
            reader.feed(data)
            while (command := reader.gets()) is not False:
                reply = self._reply(command, heard)
                if reply is None:
                    return
                send(reply)

    def _reply(self, command: Command, heard: list[Command]) -> bytes | None:
        handshake = _handshake(command)
        if handshake is not None:
            return handshake
        if command[0].upper() in (b"INFO", b"COMMAND", b"ACL", b"CLUSTER"):
            with self._changed:
                return self._questions(command)
        with self._changed:
            own = self.jobs.answer(command)
            if own is not None:
                return own
            self._note(command, heard)
            return self._answer(command)

    def _note(self, command: Command, heard: list[Command]) -> None:
        with self._changed:
            self._commands.append(command)
            heard.append(command)
            self._changed.notify_all()


def _only_run_id(command: Command) -> bytes:
    if command[0].upper() == b"INFO":
        return bulk(b"# Server\r\nrun_id:scripted\r\n")
    return error(f"ERR unknown command '{command[0].decode()}'")


def _handshake(command: Command) -> bytes | None:
    name = command[0].upper()
    if name == b"PING":
        return bulk(command[1]) if len(command) > 1 else b"+PONG\r\n"
    if name in (b"AUTH", b"SELECT"):
        return OK
    if name == b"CLIENT":
        return integer(1) if command[1].upper() == b"ID" else OK
    if name != b"HELLO":
        return None
    protocol = int(command[1]) if len(command) > 1 else 2
    facts = {"server": "redis", "version": "7.0.0", "mode": "standalone", "role": "master"}
    pairs = b"".join(bulk(key.encode()) + bulk(value.encode()) for key, value in facts.items())
    pairs += bulk(b"proto") + integer(protocol) + bulk(b"id") + integer(1) + bulk(b"modules") + b"*0\r\n"
    return (b"%7\r\n" if protocol == 3 else b"*14\r\n") + pairs


def _sender(connection: socket.socket) -> Callable[[bytes | None], None]:
    def send(reply: bytes | None) -> None:
        connection.close() if reply is None else connection.sendall(reply)

    return send


def _send_all(connection: socket.socket, replies: queue.SimpleQueue[bytes | None]) -> None:
    with connection:
        while (reply := replies.get()) is not None:
            connection.sendall(reply)


def _make_tiny(listener: socket.socket) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, _TINY_BYTES)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
