"""Doing without pandas in processes that are ours alone: the command line's, and those of its workers.

Where pandas is installed, pyarrow imports it as soon as it makes an array, in case somebody hands it a
DataFrame: 0.3 s and 60 MB in each process. In the command line's own processes nobody can. A script that
calls ``etl.load`` keeps its pandas, and so does the fork server that its process shares with us.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class _Finder:
    """The first of ``sys.meta_path``: says that pandas is not there.

    ``sys.modules["pandas"] = None`` would say so too, but pyarrow looks into that and finds no version.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)


def hide_pandas() -> None:
    """Let nobody in this process import pandas from now on. May be called twice."""
    if not pandas_is_hidden():
        sys.meta_path.insert(0, _Finder)


def pandas_is_hidden() -> bool:
    return _Finder in sys.meta_path
