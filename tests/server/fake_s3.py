"""A fake S3 of the tests' own, on the loopback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow.fs
import pytest


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A fake S3; gives the options that lead a URI to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """A bucket of the test's own, on the fake S3: its file system and its name."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    name = f"bucket-{uuid.uuid4().hex}"
    system, _ = pyarrow.fs.FileSystem.from_uri(f"s3://{name}?{s3}&allow_bucket_creation=true")
    system.create_dir(name)
    return system, name


def put(bucket: tuple[Any, str], path: str, data: bytes) -> None:
    system, name = bucket
    with system.open_output_stream(f"{name}/{path}", compression=None) as stream:
        stream.write(data)
