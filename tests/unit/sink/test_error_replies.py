"""Error replies: one table of what they mean, and no data in what is said."""

from __future__ import annotations

import pytest
from redis import exceptions

from etl.errors import RefusedForNowError, TargetError, WrongTypeError
from etl.plan.error_reply import Action, Cause, ErrorPolicy
from etl.sink.error_replies import ERROR_POLICIES, EVERY_RECORD, classified, error_reply, explain, failure
from tests.cases import cases

SAID = {
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "BUSY": "BUSY Redis is busy running a script.",
    "NOAUTH": "NOAUTH Authentication required.",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM": "NOPERM User u has no permissions to run the 'mset' command",
    "DENIED": "DENIED Redis is running in protected mode",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "CROSSSLOT": "CROSSSLOT Keys in request don't hash to the same slot",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "FENCE": "FENCE the mark is another one",
    "WRONGTYPE": "WRONGTYPE Operation against a key holding the wrong kind of value",
    "BUSYKEY": "BUSYKEY Target key name already exists.",
}

ACTIONS = {
    Action.AGAIN: {"OOM", "READONLY", "MASTERDOWN", "LOADING", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN"}
    | {"MOVED", "ASK", "CLUSTERDOWN"},
    Action.STOP: {
        *("NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "CROSSSLOT", "FENCE"),
    },
    Action.REJECT: {"WRONGTYPE", "BUSYKEY"},
}
"""RELIABILITY's table: what is done about each. What is in no row is the record's own."""


def test_every_row_of_the_table_is_tried_here() -> None:
    assert set(SAID) == set(ERROR_POLICIES)


@cases("word", SAID)
def test_an_error_reply_is_explained_and_quoted(word: str) -> None:
    reply = error_reply(SAID[word])
    meaning = ERROR_POLICIES[word].meaning
    assert reply.policy is ERROR_POLICIES[word]
    assert str(reply) == SAID[word]
    assert explain(reply) == (f"{meaning} ({SAID[word]})" if meaning else SAID[word])


def test_the_word_that_redis_py_took_from_the_text_still_counts() -> None:
    reply = classified(exceptions.ResponseError("command not allowed", status_code="OOM"))
    assert reply.policy is ERROR_POLICIES["OOM"]
    assert reply.explained == f"{ERROR_POLICIES['OOM'].meaning} (command not allowed)"


@pytest.mark.parametrize("text", ["WRONGTYPE Operation against a key", "ERR syntax error", "odd", ""])
def test_a_reply_that_is_in_no_row_is_quoted(text: str) -> None:
    assert explain(error_reply(text)) == text


def test_what_the_server_quotes_of_the_data_is_left_out() -> None:
    said = "ERR unknown command 'MSET', with args beginning with: 'key' 's3cret-value' "
    assert explain(error_reply(said)) == "ERR unknown command 'MSET'"


def test_what_the_server_says_is_cut_to_one_line_of_bounded_length() -> None:
    assert explain(error_reply("ERR a\nb")) == "ERR a"
    assert len(explain(error_reply("x" * 10_000))) == 200


def test_a_failure_names_the_target() -> None:
    error = failure(error_reply(SAID["OOM"]), "redis://host:1/0")
    assert isinstance(error, RefusedForNowError)
    assert str(error).startswith("redis://host:1/0: the server is full")
    assert (type(error), error.limit_s) == (RefusedForNowError, 30.0)
    assert type(failure(error_reply(SAID["NOPERM"]), "t")) is TargetError
    assert type(failure(error_reply(SAID["WRONGTYPE"]), "t")) is WrongTypeError


@cases("word", SAID)
def test_every_row_says_what_is_done(word: str) -> None:
    assert word in ACTIONS[error_reply(SAID[word]).policy.action]


def test_a_full_server_is_waited_for_a_while_only_and_one_that_lost_its_role_is_looked_for_again() -> None:
    assert {word for word, row in ERROR_POLICIES.items() if row.limit_s is not None} == {"OOM"}
    assert {word for word, row in ERROR_POLICIES.items() if row.reconnect} == {
        *("READONLY", "MASTERDOWN", "MOVED", "CLUSTERDOWN")
    }


@cases(
    "said",
    [
        "ERR unknown command 'JSON.SET', with args beginning with: 'k' '$' ",
        "ERR unknown subcommand 'x'. Try XGROUP HELP.",
        "ERR Unknown Redis command called from script",
        "ERR wrong number of arguments for 'hset' command",
        "ERR Wrong number of args calling Redis command from script",
        "ERR syntax error",
        "ERR Protocol error: invalid bulk length",
        "ERR DUMP payload version or checksum are wrong",
        "ERR Bad data format",
    ],
)
def test_what_every_record_would_get_ends_the_run(said: str) -> None:
    assert error_reply(said).policy.action is Action.STOP
    assert any(what in said for what in EVERY_RECORD)


@cases(
    "said",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "BUSYKEY Target key name already exists.",
        "ERR value is not a valid float",
        "ERR value is not an integer or out of range",
        "ERR invalid expire time in 'set' command",
        "ERR invalid longitude,latitude pair 200.000000,100.000000",
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        "ERR expected value at line 1 column 1",
        "ERR increment or decrement would overflow",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        "TSDB: timestamp is older than retention",
        "",
    ],
)
def test_what_is_a_records_own_does_not_end_the_run(said: str) -> None:
    assert error_reply(said).policy.action is Action.REJECT


def test_a_row_of_the_table_counts_by_its_whole_first_word() -> None:
    assert error_reply("OOMPH is no row").policy.action is Action.REJECT
    assert error_reply("ERR OOM in the middle").policy.action is Action.REJECT


@pytest.mark.parametrize(
    "said", ["WRONGTYPE x", "ERR Error running script: WRONGTYPE x", "Existing key has wrong Redis type"]
)
def test_a_value_of_another_type_is_told_however_it_is_said(said: str) -> None:
    assert error_reply(said).policy == ErrorPolicy(Action.REJECT, cause=Cause.WRONG_TYPE)
