"""The proxy and the scripted server are instruments: here they are calibrated."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.support import (
    CLOSE,
    OK,
    FakeServer,
    RealServer,
    RecordingProxy,
    ScriptedServer,
    error,
    heed_signals,
    nth,
)

PING = b"*1\r\n$4\r\nPING\r\n"
PONG = b"+PONG\r\n"
SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def all_of(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as stream:
        return stream.read()


def test_the_proxy_passes_everything_on_and_records_it_by_connection() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy:
        with connected(proxy.port) as first, connected(proxy.port) as second:
            proxy.wait_for_connections(2)
            first.sendall(PING)
            second.sendall(SET)
            assert first.recv(100) == PONG
            assert second.recv(100) == OK
        proxy.wait_closed(0)
        proxy.wait_closed(1)
        assert proxy.sent == [PING, SET]
        assert proxy.replies == [PONG, OK]


def test_a_big_transfer_through_the_proxy_arrives_whole() -> None:
    value = bytes(range(256)) * 40_000
    command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(value), value)
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy, connected(proxy.port) as client:
        client.sendall(command)
        assert client.recv(100) == OK
        assert server.commands == [[b"SET", b"k", value]]


def test_bytes_that_are_held_arrive_after_their_client_has_gone() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy:
        proxy.hold("to_server", after=len(SET))
        with connected(proxy.port) as client:
            client.sendall(SET + SET)
            assert client.recv(100) == OK
            proxy.wait_for(2 * len(SET))
        assert len(server.commands) == 1
        proxy.release()
        server.wait_for_commands(2)


def test_held_replies_are_recorded_and_come_when_they_are_released() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy, connected(proxy.port) as client:
        proxy.hold("to_client")
        client.sendall(PING)
        proxy.wait_for(len(PONG), "to_client")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(10)
        proxy.release()
        assert client.recv(100) == PONG


@pytest.mark.parametrize("after", range(len(PONG) + 1))
def test_replies_are_cut_after_exactly_so_many_bytes_on_one_connection_only(after: int) -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy:
        proxy.cut("to_client", after=after, ending="fin")
        if after > 0:
            client = connected(proxy.port)
            client.sendall(PING)
            assert all_of(client) == PONG[:after]
        else:
            assert all_of(connected(proxy.port)) == b""
        proxy.wait_closed(0)
        with connected(proxy.port) as next_client:
            next_client.sendall(PING)
            assert next_client.recv(100) == PONG


def test_a_cut_by_reset_is_a_reset_and_the_server_gets_no_byte_more() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy, connected(proxy.port) as client:
        proxy.cut("to_server", after=len(SET) + 5)
        client.sendall(SET + SET)
        with pytest.raises(ConnectionResetError):
            client.recv(100)  # not even the reply to the first SET: it comes after the cut
        server.wait_for_commands(1)
        assert server.commands == [[b"SET", b"k", b"v"]]


def test_cut_now_ends_open_connections() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy, connected(proxy.port) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG
        proxy.cut_now(ending="fin")
        assert client.recv(100) == b""


def test_a_delay_delays() -> None:
    with ScriptedServer() as server, RecordingProxy(server.port) as proxy, connected(proxy.port) as client:
        proxy.delay("to_client", 0.1)
        started_at = time.monotonic()
        client.sendall(PING)
        assert client.recv(100) == PONG
        assert time.monotonic() - started_at >= 0.1


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_shakes_hands_with_a_scripted_server(protocol: int) -> None:
    import redis

    answer = nth(2, error("OOM full"), of="SET")
    url = f"?protocol={protocol}&client_name=me"
    with ScriptedServer(answer) as server, redis.Redis.from_url(server.url + url) as client:
        assert client.ping()
        assert client.set("a", "1")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("b", "2")
        assert client.set("c", "3")
        assert [command[1] for command in server.commands] == [b"a", b"b", b"c"]


def test_a_scripted_server_can_hang_up() -> None:
    with ScriptedServer(nth(2, CLOSE, of="SET")) as server:
        client = connected(server.port)
        client.sendall(SET * 3)
        assert all_of(client).startswith(OK)
        assert server.connections == 1
        assert len(server.commands) == 2


def test_a_greedy_server_takes_commands_whose_replies_are_not_read() -> None:
    with ScriptedServer() as server, connected(server.port) as client:
        client.sendall(SET * 20_000)
        server.wait_for_commands(20_000)


def test_a_server_that_is_not_greedy_stops_reading_until_its_replies_are_read() -> None:
    reply = b"$1000\r\n" + b"x" * 1000 + b"\r\n"
    greedless = ScriptedServer(lambda command: reply, greedy_replies=False)
    with greedless as server, connected(server.port) as client:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(SET * 200_000)
        stopped_at = len(server.commands)
        assert stopped_at < 200_000
        client.settimeout(10)
        received = 0
        while received < (stopped_at + 100) * len(reply):
            received += len(client.recv(1 << 16))
        assert len(server.commands) > stopped_at


def test_a_wrong_answer_function_fails_the_test() -> None:
    def answer(command: list[bytes]) -> bytes:
        raise AssertionError("not this command")

    def send_a_command() -> None:
        with ScriptedServer(answer) as server, connected(server.port) as client:
            client.sendall(SET)
            assert client.recv(100) == b""

    with pytest.raises(AssertionError, match="not this command"):
        send_a_command()


def test_a_real_server_freezes_thaws_and_restarts_on_its_port(real_server: RealServer) -> None:
    client = real_server.client(socket_timeout=0.2)
    client.set("k", "v")
    real_server.freeze()
    import redis

    with pytest.raises(redis.exceptions.TimeoutError):
        client.get("k")
    real_server.thaw()
    assert real_server.client().get("k") == b"v"
    real_server.restart()
    assert real_server.client().dbsize() == 0


def test_a_fake_server_answers_on_a_port(fake_server: FakeServer) -> None:
    client = fake_server.client()
    client.set("k", "v")
    assert client.get("k") == b"v"


def test_a_command_takes_the_signals_that_the_tests_were_started_to_ignore() -> None:
    shows = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        heed_signals()
        shown = subprocess.run([sys.executable, "-c", shows], capture_output=True, text=True, check=True)
        signal.raise_signal(signal.SIGINT)  # is ignored here as before
    finally:
        signal.signal(signal.SIGINT, before)
    assert shown.stdout == "True\n"
