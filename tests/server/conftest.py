"""Fixtures for real servers."""

from __future__ import annotations

from tests.server.clustered import cluster, clustered
from tests.server.fake_s3 import bucket, s3

__all__ = ["bucket", "cluster", "clustered", "s3"]
