"""Passes before a load: DEL of what is there, and a look whether something is there."""

from __future__ import annotations

import pytest

from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.plan import BatchResult, Refusal
from tests.unit.encode.given import batch_of, commands_in, expected_in, send, template
from tests.unit.encode.model import Model

BATCH = batch_of({"id": [b"1", b"2", b"3"]})
KEY = template("k:{id}")


def model_with(*keys: bytes) -> Model:
    model = Model()
    model.keys = dict.fromkeys(keys, b"old")
    return model


def test_clearing_deletes_the_keys_of_the_records_and_no_others() -> None:
    model = model_with(b"k:1", b"k:3", b"other")
    assert send(ClearEncoder(KEY), BATCH, model) == BatchResult()
    assert list(model.keys) == [b"other"]
    assert commands_in(ClearEncoder(KEY).encode(BATCH)) == [[b"DEL", b"k:1", b"k:2", b"k:3"]]


def test_clearing_one_key_for_many_records_is_few_commands() -> None:
    wire = ClearEncoder(template("all")).encode(batch_of(line=[b"x"] * 600))
    assert [command[0] for command in commands_in(wire)] == [b"DEL", b"DEL"]


def test_looking_skips_the_records_whose_key_is_there() -> None:
    probe = ProbeEncoder(KEY, refuse=False)
    assert expected_in(probe.encode(BATCH)) == [0, 0, 0]
    assert send(probe, BATCH, model_with(b"k:2")) == BatchResult(skipped=1, present=(1,))
    assert send(probe, BATCH, model_with()) == BatchResult()


def test_looking_refuses_the_records_whose_key_is_there() -> None:
    result = send(ProbeEncoder(KEY, refuse=True), BATCH, model_with(b"k:1", b"k:3"))
    assert result.present == (0, 2)
    assert result.refusals == (Refusal(0, "its key exists"), Refusal(2, "its key exists"))
    assert result.skipped == 0


@pytest.mark.parametrize("encoder", [ClearEncoder(KEY), ProbeEncoder(KEY, refuse=False)])
def test_an_error_is_that_of_every_record_of_its_command(encoder: ClearEncoder | ProbeEncoder) -> None:
    error = Exception("NOPERM no")
    wire = encoder.encode(BATCH)
    refusals = encoder.read_replies(BATCH, wire, [error] * wire.commands).refusals
    assert refusals == tuple(Refusal(index, error) for index in range(len(BATCH)))


@pytest.mark.parametrize("encoder", [ClearEncoder(KEY), ProbeEncoder(KEY, refuse=True)])
def test_records_without_a_key_are_left_to_the_load(encoder: ClearEncoder | ProbeEncoder) -> None:
    good, refusals = encoder.split_encodable(batch_of({"id": [b"1", None]}))
    assert (len(good), refusals) == (1, [])
    assert encoder.templates == (KEY,)
