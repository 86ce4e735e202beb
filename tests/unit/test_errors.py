"""Errors: the type says whose fault it is and has the exit code; all of them travel between processes."""

from __future__ import annotations

import inspect
import pickle
import signal

import pytest

from etl import errors
from etl.errors import EtlError, InterruptedRunError, WorkerError
from etl.report import Example
from etl.worker.messages import Failed, Finished, Stop
from tests.cases import cases

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, EtlError)]

CODES = {
    "EtlError": (70, "failed"),
    "UsageError": (2, "failed"),
    "MissingExtraError": (2, "failed"),
    "SourceError": (3, "failed"),
    "TargetError": (4, "failed"),
    "WrongTypeError": (4, "failed"),
    "TransientError": (4, "failed"),
    "RefusedForNowError": (4, "failed"),
    "LostError": (4, "failed"),
    "UnreachedError": (4, "failed"),
    "BrokenHandshakeError": (4, "failed"),
    "HungUpError": (4, "failed"),
    "LoadingError": (4, "failed"),
    "ServerChangedError": (4, "failed"),
    "JobStateLostError": (4, "failed"),
    "StoppedError": (70, "failed"),
    "LockedError": (6, "failed"),
    "RejectedError": (5, "incomplete"),
    "WorkerError": (70, "failed"),
    "DiedError": (70, "failed"),
    "InterruptedRunError": (143, "interrupted"),
    "LimitError": (71, "failed"),
    "InternalError": (70, "failed"),
}


def make(kind: type[EtlError]) -> EtlError:
    return InterruptedRunError("what: ä", signal.SIGTERM) if kind is InterruptedRunError else kind("what: ä")


def test_every_kind_of_error_is_in_the_table() -> None:
    assert {kind.__name__ for kind in KINDS} == set(CODES)


@cases("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_pickles_with_all_it_says(kind: type[EtlError]) -> None:
    error = make(kind)
    travelled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(travelled) is kind
    assert str(travelled) == str(error) == "what: ä"
    assert (travelled.exit_code, travelled.status) == (error.exit_code, error.status) == CODES[kind.__name__]
    assert travelled.report is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_by_a_signal_ends_as_a_shell_has_it(number: int) -> None:
    assert InterruptedRunError("x", number).exit_code == 128 + number


def test_a_killed_worker_ends_the_run_with_its_signal() -> None:
    error: WorkerError = pickle.loads(pickle.dumps(WorkerError("killed", 137)))  # noqa: S301 - our own
    assert (str(error), error.exit_code) == ("killed", 137)


@pytest.mark.parametrize(
    "message",
    [
        Stop(),
        Finished(1, 0.5, (Example(3, b"k", b"v", None),)),
        Failed(2, 0.5, WorkerError("killed", 137)),
    ],
)
def test_a_message_travels_and_cannot_be_changed(message: Stop | Finished | Failed) -> None:
    travelled = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own
    assert repr(travelled) == repr(message)
    with pytest.raises((AttributeError, TypeError)):  # Python 3.11 has a TypeError for frozen and slotted
        travelled.__setattr__("worker", 9)
