"""Which refused records are rejected, which are sent again, and which end the run."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from etl.errors import RefusedForNowError
from etl.plan import BatchResult, Block, Refusal
from etl.sink.error_replies import error_reply
from etl.worker.in_flight import InFlight
from etl.worker.resend import Refused, Resends, sort_refusals
from tests.unit.given import batch_of
from tests.unit.memory import MemoryTarget, lines_in

WRONG, FULL, NO_RIGHT = (error_reply(text) for text in ("WRONGTYPE x", "OOM x", "NOPERM x"))
LACKS = Refusal(0, "it has no field {x}")


def test_refusals_are_sorted_by_what_is_done_about_them() -> None:
    result = BatchResult(refusals=(LACKS, Refusal(1, WRONG), Refusal(2, FULL)), again=(3, 4))
    refused = sort_refusals(result, None, fenced=False)
    assert list(refused.rejected) == [LACKS, Refusal(1, WRONG)]
    assert (list(refused.together), list(refused.later)) == ([3, 4], [Refusal(2, FULL)])
    assert refused.fatal is None


def test_a_reply_that_every_record_would_get_is_fatal() -> None:
    result = BatchResult(refusals=(Refusal(0, FULL), Refusal(1, NO_RIGHT)), again=(2,))
    assert sort_refusals(result, None, fenced=False) == Refused(fatal=NO_RIGHT)


def test_records_that_were_refused_together_inside_the_fence_share_the_fate_of_their_command() -> None:
    result = BatchResult(again=(0, 1))
    refused = sort_refusals(result, [b"OK", WRONG], fenced=True)
    assert list(refused.rejected) == [Refusal(0, WRONG), Refusal(1, WRONG)]
    assert not refused.together
    assert list(sort_refusals(result, [FULL], fenced=True).later) == [Refusal(0, FULL), Refusal(1, FULL)]


def test_what_is_refused_for_now_of_a_piece_whose_checkpoint_has_moved_on_is_rejected() -> None:
    refused = sort_refusals(BatchResult(refusals=(Refusal(0, FULL),)), None, fenced=True, applied=True)
    assert list(refused.rejected) == [Refusal(0, FULL)]
    assert not refused.later


def test_pieces_wait_in_order_and_the_first_refusal_says_why() -> None:
    resends = Resends(MemoryTarget())
    piece = InFlight(Block(3, 0, 0, 9), batch_of([b"a", b"b", b"c"]))
    assert not resends.add(piece, Refused())
    assert not resends
    assert len(resends.add(piece, Refused(together=(1,), later=(Refusal(0, FULL), Refusal(2, FULL))))) == 2
    assert isinstance(resends.refused, RefusedForNowError)
    assert str(resends.refused).startswith("memory: the server is full")
    first, second = resends.take()
    assert [lines_in(piece.batch) for piece in (first, second)] == [[b"a", b"c"], [b"b"]]
    assert first.single
    assert second.single
    assert not resends.take()
    assert resends.refused is None


MOVED, ASK = error_reply("MOVED 7 10.0.0.2:6379"), error_reply("ASK 7 10.0.0.3:6379")


def piece_of(number: int, *lines: bytes, **more: Any) -> InFlight:
    return InFlight(Block(3, 0, 0, 9), batch_of(lines), number=number, **more)


def lines_of_piece(piece: InFlight) -> pa.Array:
    return piece.batch.line


def taken(resends: Resends) -> list[tuple[list[bytes], bool]]:
    return [(lines_in(piece.batch), piece.counted) for piece in resends.take()]


def test_later_records_of_a_key_that_was_refused_for_now_follow_it_and_are_not_counted_again() -> None:
    resends = Resends(MemoryTarget(), lines_of_piece)
    resends.add(piece_of(2, b"a", b"b"), Refused(later=(Refusal(0, FULL),)))
    resends.add(piece_of(1, b"a", b"c"), Refused())  # an earlier piece, answered late
    resends.add(piece_of(3, b"x", b"a", b"a"), Refused())
    resends.add(piece_of(4, b"b", b"a"), Refused(rejected=(Refusal(1, WRONG),)))
    assert taken(resends) == [([b"a"], True), ([b"a", b"a"], False)]
    resends.add(piece_of(5, b"a"), Refused())
    assert not resends


def test_the_last_record_of_a_key_need_not_win_where_it_is_not_asked_for() -> None:
    resends = Resends(MemoryTarget())
    resends.add(piece_of(1, b"a"), Refused(later=(Refusal(0, FULL),)))
    resends.add(piece_of(2, b"a"), Refused())
    assert taken(resends) == [([b"a"], True)]


def test_what_was_moved_is_sent_again_at_once_but_not_for_ever() -> None:
    resends = Resends(MemoryTarget(), routed=True)
    for tries in range(3):
        resends.add(piece_of(1, b"a", tries=tries), Refused(later=(Refusal(0, MOVED),)))
        (again,) = resends.take()
        assert (again.tries, resends.refused) == (tries + 1, None)
    resends.add(piece_of(1, b"a", tries=3), Refused(later=(Refusal(0, MOVED),)))
    assert isinstance(resends.refused, RefusedForNowError)


def test_only_the_records_that_a_node_has_sent_elsewhere_are_asked_for_there() -> None:
    resends = Resends(MemoryTarget(), routed=True)
    refused = Refused(later=(Refusal(0, ASK), Refusal(1, MOVED), Refusal(2, ASK)))
    resends.add(piece_of(1, b"a", b"b", b"c"), refused, lambda reply: "there" if reply is ASK else None)
    pieces = {(piece.node, piece.asking): lines_in(piece.batch) for piece in resends.take()}
    assert pieces == {("there", True): [b"a", b"c"], ("", False): [b"b"]}
