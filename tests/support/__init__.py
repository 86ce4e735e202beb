"""What the tests of all folders share: servers, a proxy, a scripted server, processes."""

from tests.support.data import data_keys, data_size
from tests.support.processes import (
    REPO,
    Started,
    alive,
    children_of,
    descendants_of,
    end_cli,
    heed_signals,
    in_session,
    run_cli,
    start_cli,
    wait_until,
)
from tests.support.proxy import RecordingProxy
from tests.support.scripted import CLOSE, NO_REPLY, OK, ScriptedServer, bulk, error, integer, nth
from tests.support.servers import (
    FakeServer,
    RealServer,
    StartServer,
    free_port,
)

__all__ = [
    "CLOSE",
    "NO_REPLY",
    "OK",
    "REPO",
    "FakeServer",
    "RealServer",
    "RecordingProxy",
    "ScriptedServer",
    "StartServer",
    "Started",
    "alive",
    "bulk",
    "children_of",
    "data_keys",
    "data_size",
    "descendants_of",
    "end_cli",
    "error",
    "free_port",
    "heed_signals",
    "in_session",
    "integer",
    "nth",
    "run_cli",
    "start_cli",
    "wait_until",
]
