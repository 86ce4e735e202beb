"""Doing without numpy and pandas in processes that are ours alone: the command line's, and its workers'.

Where they are installed, pyarrow imports numpy at once and pandas as soon as it makes an array, in case
it is given an ndarray or a DataFrame: 0.1 s and 0.3 s, 20 MB and 60 MB in each process. The command line's
own processes are given none. A script that calls ``etl.load`` keeps them, and so does the fork server that
its process shares with us.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

HIDDEN = ("numpy", "pandas")


class _Finder:
    """The first of ``sys.meta_path``: says that they are not there.

    ``sys.modules["pandas"] = None`` would say so too, but pyarrow looks into that and finds no version.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide_libraries() -> None:
    """Make them impossible to import in this process from now on. May be called twice."""
    if not libraries_are_hidden():
        sys.meta_path.insert(0, _Finder)


def libraries_are_hidden() -> bool:
    return _Finder in sys.meta_path
