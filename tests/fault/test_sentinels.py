"""Sentinels that do not answer, do not know, want a password or are wrong: each is told in its own words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import etl.sink.session.primary as primary
from tests.fault.inline import RECORDS, Here, assert_loaded, complete, write_input
from tests.support import NO_REPLY, RealServer, ScriptedServer, data_size, error, free_port
from tests.support.jobs import Command
from tests.support.scripted import Response
from tests.support.sentinel import NAME, names

Answers = Callable[[int], Response]
"""What a Sentinel answers, of a primary at this port."""


def url_of(*sentinels: ScriptedServer | int, name: str = NAME) -> str:
    ports = [one if isinstance(one, int) else one.port for one in sentinels]
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/{name}"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Sentinel may be silent for a fifth of a second, and not for three."""
    monkeypatch.setattr(primary, "SENTINEL_TIMEOUT_S", 0.2)


def silent(command: Command) -> bytes:
    return NO_REPLY


def refusing(text: str) -> Answers:
    return lambda port: lambda command: error(text)


REFUSALS: dict[str, tuple[Answers, str]] = {
    "an unknown name": (
        lambda port: names(None),
        f"{{url}}/0: its Sentinels watch no primary of the name {NAME}",
    ),
    "a misspelled name": (
        lambda port: names(None, "mymaster2", "other"),
        f"watch no primary of the name {NAME}, but mymaster2 and other; did you mean mymaster2?",
    ),
    "a password": (
        refusing("NOAUTH Authentication required."),
        "no Sentinel answers: redis://{place} (Sentinel): the Sentinel wants a password of its own:"
        " set $SENTINEL_AUTH",
    ),
    "a password where it has none": (
        refusing("ERR AUTH <password> called without any password configured for the default user."),
        "the Sentinel has no password: give neither sentinel_password nor $SENTINEL_AUTH",
    ),
    "a permission": (
        refusing("NOPERM this user has no permissions to run the 'sentinel' command"),
        "the Sentinel's user may not run SENTINEL; give it the permission (ACL SETUSER USER +sentinel)",
    ),
    "a server on its own": (
        refusing("ERR unknown command 'SENTINEL', with args beginning with: "),
        "this is no Sentinel; for a server on its own give --to redis://HOST:PORT/DB",
    ),
    "nonsense": (lambda port: lambda command: b"+what\r\n", "does not answer as a Sentinel does"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_stays_as_it_is_is_refused_at_once(here: Here, what: str) -> None:
    answers, says = REFUSALS[what]
    with ScriptedServer(answers(1)) as sentinel:
        url = url_of(sentinel)
        ended = here.load(write_input(here.folder, 3), url, "strings")
    assert ended.code == 4
    assert says.format(url=url, place=f"127.0.0.1:{sentinel.port}") in ended.sentence
    assert "tried again" not in ended.sentence


def test_sentinels_that_take_no_connection_are_each_named_and_not_waited_for(here: Here) -> None:
    closed = sorted((free_port(), free_port()))
    ended = here.load(write_input(here.folder, 3), url_of(*closed), "strings")
    assert ended.code == 4
    reasons = "; ".join(
        f"cannot reach redis://127.0.0.1:{port} (Sentinel): connection refused" for port in closed
    )
    assert ended.sentence == f"{url_of(*closed)}/0: no Sentinel answers: {reasons}"


def test_a_sentinel_that_hangs_is_given_up_after_the_deadline(here: Here, quick: None) -> None:
    with ScriptedServer(silent) as sentinel:
        ended = here.load(write_input(here.folder, 3), url_of(sentinel), "strings", "--retry-for", "0.1")
    assert ended.code == 4
    assert "no Sentinel answers: " in ended.sentence
    assert ended.sentence.endswith("tried again for 0.10 s (--retry-for)")


def test_the_next_sentinel_is_asked_where_one_is_away_hangs_does_not_know_or_is_wrong(
    here: Here, quick: None, real_server: RealServer
) -> None:
    with (
        ScriptedServer(silent) as hanging,
        ScriptedServer(names(None)) as forgetful,
        ScriptedServer(names(free_port())) as wrong,
        ScriptedServer(names(real_server.port)) as right,
    ):
        url = url_of(free_port(), hanging, forgetful, wrong, right)
        complete(here.load(write_input(here.folder), url, "strings"))
    assert_loaded(real_server.client(), "strings")


def in_turn(*answers: Response) -> Response:
    """Return the answers to one question for the primary after the other; the last one stays."""
    rest: Iterator[Response] = itertools.chain(answers, itertools.repeat(answers[-1]))

    def answer(command: Command) -> bytes | None:
        return next(rest)(command)

    return answer


@pytest.mark.parametrize("first", ["replica", "gone", "restarted sentinel"])
def test_a_server_that_is_no_primary_by_now_is_waited_for(
    here: Here, real_server: RealServer, first: str
) -> None:
    replica = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"
    with ScriptedServer(lambda command: replica) as demoted:
        port = demoted.port if first == "replica" else free_port()
        wrong = names(None) if first == "restarted sentinel" else names(port)
        right = names(real_server.port)
        # Known by then: a name that was known before is no misspelled one.
        turns = (right, wrong, right) if first == "restarted sentinel" else (wrong, wrong, right)
        with ScriptedServer(in_turn(*turns)) as sentinel:
            complete(here.load(write_input(here.folder), url_of(sentinel), "list"))
    assert_loaded(real_server.client(), "list")


def test_a_replica_that_stays_one_is_given_up_after_the_deadline(here: Here) -> None:
    replica = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"
    with (
        ScriptedServer(lambda command: replica) as demoted,
        ScriptedServer(names(demoted.port)) as sentinel,
    ):
        ended = here.load(write_input(here.folder, 3), url_of(sentinel), "strings", "--retry-for", "0.1")
    assert ended.code == 4
    assert ended.sentence == (
        f"redis://127.0.0.1:{demoted.port}/0 (primary of {NAME}) is a replica by now, as it says itself;"
        " tried again for 0.10 s (--retry-for)"
    )


def test_a_primary_that_was_replaced_and_goes_on_answering_is_not_taken_for_the_primary(
    here: Here, start_server: Callable[[], RealServer]
) -> None:
    """The second server has nothing: all is loaded into it, though the first one has said OK to all."""
    old, new = start_server(), start_server()

    def present(command: Command) -> bytes | None:
        return names(new.port if data_size(old.client()) else old.port)(command)

    with ScriptedServer(present) as sentinel:
        complete(here.load(write_input(here.folder), url_of(sentinel), "list"))
    assert old.client().llen("all") == RECORDS
    assert_loaded(new.client(), "list")


def test_a_primary_that_tells_no_run_id_is_known_by_its_place(
    here: Here, start_server: Callable[..., RealServer]
) -> None:
    servers = [start_server("--rename-command", "INFO", "") for _ in range(2)]
    old, new = servers

    def present(command: Command) -> bytes | None:
        return names(new.port if data_size(old.client()) else old.port)(command)

    with ScriptedServer(present) as sentinel:
        ended = complete(
            here.load(write_input(here.folder), url_of(sentinel), "strings", "--progress", "log")
        )
    assert f"redis://127.0.0.1:{new.port}/0 (primary of {NAME}) has taken the place of" in ended.stderr
    assert_loaded(new.client(), "strings")


def test_no_password_of_a_sentinel_is_shown(
    here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = error("WRONGPASS invalid username-password pair or user is disabled.")
    with ScriptedServer(lambda command: refused) as sentinel:
        url = f"{url_of(sentinel)}?sentinel_user=u&sentinel_password=S3cretMarker"
        ended = here.load(write_input(here.folder, 3), url, "strings")
    assert ended.code == 4
    assert "the Sentinel's user name or password is wrong ($SENTINEL_AUTH, or sentinel_user and" in (
        ended.sentence
    )
    assert "S3cretMarker" not in ended.stdout + ended.stderr
