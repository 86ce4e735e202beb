"""Error replies in the middle: the run ends with one clear sentence, and counts what was applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.commands import (
    Ended,
    StartCommand,
    hold_in_the_middle,
    run_here,
    wait_for_the_middle,
    write_lines,
)
from tests.support import (
    OK,
    RealServer,
    RecordingProxy,
    ScriptedServer,
    StartServer,
    data_size,
    error,
    free_port,
    nth,
    wait_until,
)

REPLIES = {
    "OOM": (
        "OOM command not allowed when used memory > 'maxmemory'.",
        "the server is full (maxmemory); give it more memory or load less",
    ),
    "READONLY": (
        "READONLY You can't write against a read only replica.",
        "the server is a read-only replica; load into its primary",
    ),
    "LOADING": (
        "LOADING Redis is loading the dataset in memory",
        "the server is still loading its data set; try again when it is ready",
    ),
    "MISCONF": (
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist on disk.",
        "the server cannot save its data to disk and refuses writes; see its log",
    ),
    "NOAUTH": (
        "NOAUTH Authentication required.",
        "the server wants a password: put it into a file and name that with --password-file FILE,"
        " or set $REDISCLI_AUTH",
    ),
    "NOPERM": ("NOPERM this user has no permissions to run the 'mset' command", "this user may not run"),
    "MOVED": ("MOVED 3999 127.0.0.1:6381", "the server is part of a Redis Cluster"),
    "ERR": (
        "ERR unknown command 'MSET', with args beginning with: 'train:1' 'personal data'",
        "unknown command 'MSET'",
    ),
}


FENCED = b"$1\r\n+\r\n"
"""What the fence's script answers when all is well."""


def stopped(start: StartCommand, file: Path, url: str, workers: int, *options: str) -> Ended:
    """Load into a server that refuses, at the first refusal of which the loader gives up."""
    now = ("--workers", str(workers), "--retry-for", "0")
    return failed(start("load", file, "--to", url, *now, *options).end(), url)


def failed(ended: Ended, url: str) -> Ended:
    """Make sure that it is one clear error, and that everything read was counted."""
    assert ended.code == 4
    assert ended.sentence.startswith(f"{url}: ")
    assert ended.report["status"] == "failed"
    assert ended.report["error"] == ended.sentence
    assert ended.records["read"] == ended.records["written"] + ended.records["skipped"]
    return ended


def records_of(command: list[bytes]) -> int:
    if command[0] == b"EVAL":  # the fence: the commands of many records are one of its arguments
        return command[8].count(b"\r\nSET\r\n")
    return (len(command) - 1) // 2 if command[0] == b"MSET" else 1


@pytest.mark.parametrize("name", REPLIES)
def test_an_error_reply_in_the_middle_is_explained_and_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str], big_file: Path, name: str
) -> None:
    said, meaning = REPLIES[name]
    with ScriptedServer(nth(5, error(said), of="MSET")) as server:
        to = ("--to", server.url, "--retry-for", "0")
        ended = failed(run_here(capsys, "load", big_file, *to), server.url)
        assert meaning in ended.sentence
        assert "personal data" not in ended.sentence
        # The refused one is not counted, those behind it that were in flight are.
        applied = sum(map(records_of, server.commands)) - records_of(server.commands[4])
        assert ended.records["written"] == applied


@pytest.mark.parametrize("options", [(), ("--ttl", "100"), ("--if-exists", "skip")], ids=" ".join)
def test_a_server_that_refuses_from_some_point_on_is_left_by_all_workers(
    start: StartCommand, big_file: Path, options: tuple[str, ...]
) -> None:
    applied = 0

    def full_after_3000_records(command: list[bytes]) -> bytes:
        nonlocal applied
        if applied > 3_000:
            return error("OOM command not allowed when used memory > 'maxmemory'.")
        applied += records_of(command)
        return FENCED if command[0] == b"EVAL" else OK

    with ScriptedServer(full_after_3000_records) as server:
        ended = stopped(start, big_file, server.url, 2, *options)
        assert ended.records["written"] == applied
        assert ended.sentence == (
            f"{server.url}: the server is full (maxmemory); give it more memory or load less"
            " (OOM command not allowed when used memory > 'maxmemory'.)"
        )


def test_a_server_that_runs_no_script_though_it_says_so_ends_the_run_with_a_sentence(
    capsys: pytest.CaptureFixture[str], big_file: Path
) -> None:
    with ScriptedServer(lambda command: OK) as server:
        ended = run_here(capsys, "load", big_file, "--to", server.url, "--if-exists", "skip")
    assert ended.code == 4
    assert "the server does not run scripts as Redis does: it answered EVAL with 'OK'" in ended.sentence


def test_an_error_reply_to_verify_is_explained(capsys: pytest.CaptureFixture[str], big_file: Path) -> None:
    with ScriptedServer(lambda command: error("NOPERM this user has no permissions")) as server:
        ended = run_here(capsys, "verify", big_file, "--to", server.url)
        assert ended.code == 4
        assert "this user may not run the command" in ended.sentence


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("options", [(), ("--ttl", "100")], ids=["MSET", "SET"])
def test_a_server_that_becomes_full_holds_what_was_counted(
    start: StartCommand, start_server: StartServer, big_file: Path, workers: int, options: tuple[str, ...]
) -> None:
    server = start_server("--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
    ended = stopped(start, big_file, server.url, workers, *options)
    assert "the server is full (maxmemory)" in ended.sentence
    assert 0 < ended.records["written"] == data_size(server.client())


def test_a_primary_that_becomes_a_replica_holds_what_was_counted(
    start: StartCommand, big_file: Path, real_server: RealServer, proxy: RecordingProxy
) -> None:
    hold_in_the_middle(proxy)
    command = start("load", big_file, "--to", proxy.url, "--workers", "2", "--retry-for", "0")
    wait_for_the_middle(proxy, 2)
    real_server.client().replicaof("127.0.0.1", str(free_port()))
    proxy.release()
    ended = command.end()
    assert ended.code == 4
    assert "the server is a read-only replica; load into its primary" in ended.sentence
    assert 0 < ended.records["written"] == data_size(real_server.client())


def test_a_server_that_cannot_save_any_more_holds_what_was_counted(
    start: StartCommand, start_server: StartServer, big_file: Path
) -> None:
    server = start_server("--save", "3600 1")
    client = server.client()
    with RecordingProxy(server.port) as proxy:
        hold_in_the_middle(proxy)
        command = start("load", big_file, "--to", proxy.url, "--workers", "2", "--retry-for", "0")
        wait_for_the_middle(proxy, 2)
        (server.folder / "dump.rdb").mkdir()
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        proxy.release()
        ended = command.end()
    assert ended.code == 4
    assert "the server cannot save its data to disk and refuses writes; see its log" in ended.sentence
    assert 0 < ended.records["written"] == data_size(client)


def test_a_server_that_wants_a_password_says_so(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, tmp_path: Path
) -> None:
    real_server.client().config_set("requirepass", "secret")
    file = write_lines(tmp_path / "few.txt", 3_000)
    ended = run_here(capsys, "load", file, "--to", real_server.url)
    assert ended.code == 4
    assert ended.sentence.startswith(f"{real_server.url} refused the connection: the server wants a password")


def test_a_server_with_too_many_clients_says_so(
    capsys: pytest.CaptureFixture[str], real_server: RealServer, tmp_path: Path
) -> None:
    client = real_server.client()
    client.config_set("maxclients", "1")  # and this is the one
    file = write_lines(tmp_path / "few.txt", 3_000)
    ended = run_here(capsys, "load", file, "--to", real_server.url)
    assert ended.code == 4
    assert ended.sentence == f"cannot reach {real_server.url}: max number of clients reached"


def test_a_server_that_loads_its_own_data_is_explained(
    start: StartCommand, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    server.client().mset({str(number): "x" * 1_000 for number in range(5_000)})
    server.client().save()
    server.restart("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", wait=False)
    file = write_lines(tmp_path / "few.txt", 3_000)

    to = ("--to", server.url, "--retry-for", "0")

    def ended_while_loading() -> Ended:
        while "connection refused" in (ended := start("load", file, *to).end()).stderr:
            pass
        return ended

    ended = ended_while_loading()
    assert ended.code == 4
    assert "the server is still loading its data set; try again when it is ready" in ended.sentence


def test_a_reply_that_is_in_no_table_is_the_records_own(start: StartCommand, big_file: Path) -> None:
    with ScriptedServer(nth(3, error("HUH what is this"), of="MSET", otherwise=OK)) as server:
        ended = start("load", big_file, "--to", server.url, "--workers", "1").end()
    assert ended.code == 5
    assert "was refused: HUH what is this" in ended.sentence
    assert ended.records["read"] == ended.records["written"] + ended.records["rejected"]
