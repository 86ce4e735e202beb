"""The one error of the benchmarks."""

from __future__ import annotations


class BenchError(Exception):
    """A contender failed or left a wrong result, or the machine lacks something; the message says which."""
