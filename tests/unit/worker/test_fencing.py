"""The fence's answer, read as the commands inside of it would have been answered."""

from __future__ import annotations

import pytest

from etl.encode.resp.protocol import plain
from etl.errors import TargetError
from etl.plan.error_reply import Action, ErrorReply
from etl.sink.error_replies import error_reply
from etl.worker.fencing import unfenced

WIRE = plain((b"RPUSH", b"l", b"a"), (b"RPUSH", b"l", b"b"), (b"RPUSH", b"l", b"c"))


def test_what_the_script_says_of_each_command_becomes_its_reply() -> None:
    assert unfenced(WIRE, None) == (WIRE, None, True)
    wire, replies, applied = unfenced(WIRE, [b"+0 OOM command not allowed\n2 "])
    assert (wire, applied) == (WIRE, True)
    assert replies is not None
    first, *others = replies
    assert isinstance(first, ErrorReply)
    assert first.policy.action is Action.AGAIN
    assert others == [b"OK", None]


def test_commands_of_which_none_was_applied_have_left_the_checkpoint_in_its_place() -> None:
    _, replies, applied = unfenced(WIRE, [b"-0 WRONGTYPE x\n1 WRONGTYPE x\n2 WRONGTYPE x"])
    assert not applied
    assert replies is not None
    assert {str(reply) for reply in replies} == {"WRONGTYPE x"}


def test_an_error_of_the_script_is_that_of_each_command() -> None:
    error = error_reply("FENCE another run has begun")
    assert unfenced(WIRE, [error]) == (WIRE, [error] * 3, False)


@pytest.mark.parametrize("reply", [b"", b"x", 3, [b"+"]])
def test_what_no_script_of_ours_answers_ends_the_run(reply: object) -> None:
    with pytest.raises(TargetError, match="does not run scripts as Redis does: it answered EVAL with"):
        unfenced(WIRE, [reply])
