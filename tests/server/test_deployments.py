"""Every deployment keeps the contract of a sink (``etl/testing/sink.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.options import LoadOptions
from etl.plan import Target
from etl.sink.choose import opened_target
from etl.testing.sink import SinkContract
from tests.support import RealServer, ScriptedServer
from tests.support.sentinel import NAME, names

SECRET = "S3cretMarker"


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server with a password."""
    server = RealServer(tmp_path_factory.mktemp("locked"))
    server.start()
    server.client().config_set("requirepass", SECRET)
    yield server
    server.close()


class TestStandalone(SinkContract):
    secret = SECRET

    @pytest.fixture
    def target(self, locked_server: RealServer) -> Iterator[Target]:
        locked_server.client(password=SECRET).flushall()
        with opened_target(LoadOptions(to=f"redis://:{SECRET}@127.0.0.1:{locked_server.port}")) as target:
            yield target


class TestSentinel(SinkContract):
    secret = SECRET

    @pytest.fixture
    def target(self, locked_server: RealServer) -> Iterator[Target]:
        locked_server.client(password=SECRET).flushall()
        with ScriptedServer(names(locked_server.port)) as sentinel:
            url = f"redis+sentinel://:{SECRET}@127.0.0.1:{sentinel.port}/{NAME}?sentinel_password={SECRET}"
            with opened_target(LoadOptions(to=url)) as target:
                yield target


class TestEmbedded(SinkContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        with opened_target(LoadOptions(to=f"embedded:{tmp_path / 'data'}")) as target:
            yield target
