"""What a server says before it is sent a data set, and what is noted to put it back."""

from __future__ import annotations

import io
import threading

import pytest

from etl.encode.resp.protocol import plain
from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.replication.handshake import Expected, StrangerError, _read_command, _same
from etl.sink.replication.put_back import Before
from etl.sink.replication.watcher import DONE, _told, after_the_end, read_told
from tests.cases import cases

BEFORE = Before(
    "10.0.0.1", 7000, {"repl-diskless-load": "disabled", "masterauth": ""}, b"etl:{x}:replication"
)


@cases(
    ("said", "words"),
    [
        (b"*1\r\n$4\r\nPING\r\n", [b"PING"]),
        (b"\n\r\n*2\r\n$8\r\nREPLCONF\r\n$0\r\n\r\n", [b"REPLCONF", b""]),
    ],
)
def test_a_command_is_read(said: bytes, words: list[bytes]) -> None:
    assert _read_command(io.BytesIO(said)) == words


@cases(
    ("said", "sentence"),
    [
        (b"\x16\x03\x01\x00\n", "speaks TLS"),
        (b"GET / HTTP/1.1\r\n", "does not replicate as a Redis server does"),
        (b"*0\r\n", "does not replicate"),
        (b"*1\r\n:4\r\n", "does not replicate"),
        (b"*1\r\n$999999999\r\n", "does not replicate"),
        (b"*x\r\n", "does not replicate"),
    ],
)
def test_a_stranger_is_told_from_a_server(said: bytes, sentence: str) -> None:
    with pytest.raises(StrangerError, match=sentence):
        _read_command(io.BytesIO(said))


@cases("said", [b"", b"*1\r\n$4\r\nPI"])
def test_who_hangs_up_is_no_stranger(said: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - without a text
        _read_command(io.BytesIO(said))


def test_an_address_is_the_same_in_both_forms_and_a_token_is_not_shown() -> None:
    assert _same("::ffff:10.0.0.1", "10.0.0.1")
    assert not _same("10.0.0.1", "10.0.0.2")
    assert "secret" not in repr(Expected(token="secret"))


def test_what_is_put_back_is_noted_and_read_again() -> None:
    assert Before.load(BEFORE.dump()) == BEFORE
    assert BEFORE.commands[0] == (b"CONFIG", b"SET", b"repl-diskless-load", b"disabled")
    for damaged in (b"", b"nonsense", BEFORE.dump()[:-9], b"".join(plain((b"a", b"b")).buffers)):
        with pytest.raises(ValueError, match="no note of a replication"):
            Before.load(damaged)


def test_a_watcher_is_told_all_that_it_needs_and_acts_on_it() -> None:
    target = StandaloneTarget(parse_address("redis://me:secret@10.0.0.2:7/3"))
    told = _told(target, BEFORE)
    found, before = read_told(told)
    assert (found.address, before) == (target.address, BEFORE)
    assert found.retry_for_s == 3600
    assert DONE.endswith(b"$4\r\ndone\r\n")  # what the waiting program looks for
    done: list[object] = []
    after_the_end(told, lambda *given: done.extend(given))
    assert done[:2] == [found, BEFORE]
    assert isinstance(done[2], threading.Event)
    done.clear()
    after_the_end(told[:20], lambda *given: done.extend(given))
    assert done == []
