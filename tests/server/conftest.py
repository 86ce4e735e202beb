"""Fixtures for real servers."""

from __future__ import annotations

from tests.server.clustered import cluster, clustered

__all__ = ["cluster", "clustered"]
