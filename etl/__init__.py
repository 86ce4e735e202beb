"""redis-etl: the COPY command that Redis never had.

``etl.load("train.txt", to="redis://127.0.0.1:6379/0")`` loads, ``etl.verify(...)`` compares, and
``etl.add_arguments(parser)`` with ``etl.from_args(namespace)`` gives your own argparse script the options.
"""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Any

from etl.errors import EtlError
from etl.options import LoadOptions, VerifyOptions, add_options, from_namespace

if TYPE_CHECKING:
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

# Arrow and redis take 0.2 s to import: --help and a usage error do not wait for them.
_LAZY = {"load": "etl.verbs.load", "verify": "etl.verbs.verify", "Report": "etl.report"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'etl' has no attribute {name!r}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``load`` to somebody else's parser, as a group of their own."""
    add_options(parser.add_argument_group("options of redis-etl"), LoadOptions)


def from_args(namespace: argparse.Namespace) -> LoadOptions:
    """Return the options that a parser with ``add_arguments`` has parsed: ``etl.load(file, options=...)``.

    Raises UsageError for a value that cannot be.
    """
    return from_namespace(namespace, LoadOptions)
