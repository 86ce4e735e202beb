"""redis-etl: the COPY command that Redis never had.

``etl.load("train.txt", to="redis://127.0.0.1:6379/0")`` loads, ``etl.verify(...)`` compares, and
``etl.add_arguments(parser)`` with ``etl.from_args(namespace)`` gives your own argparse script the options.
"""

from __future__ import annotations

import argparse

from etl.errors import EtlError
from etl.options import LoadOptions, VerifyOptions, add_options, from_namespace
from etl.report import Report
from etl.verbs.load import load
from etl.verbs.verify import verify

__version__ = "0.1.0"

__all__ = [
    "EtlError",
    "LoadOptions",
    "Report",
    "VerifyOptions",
    "__version__",
    "add_arguments",
    "from_args",
    "load",
    "verify",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``load`` to somebody else's parser, in groups of their own."""
    add_options(parser, LoadOptions, title="redis-etl: {}")


def from_args(namespace: argparse.Namespace) -> LoadOptions:
    """Return the options that a parser with ``add_arguments`` has parsed: ``etl.load(file, options=...)``.

    Raises UsageError for a value that cannot be.
    """
    return from_namespace(namespace, LoadOptions)
