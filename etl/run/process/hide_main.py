"""Starting workers that do not import the script which calls ``etl.load``: they need nothing of it.

multiprocessing has every process that is not forked from this one run the file of ``__main__`` once more,
under another name, in case something that it is sent was defined there. So a script without ``if __name__ ==
"__main__":`` would begin its load again in each worker, and one that is read from standard input has no file
to run. Nothing that a worker of ours is sent was defined there: Python objects are read in the parent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from multiprocessing import spawn
from typing import Any

_HIDING = threading.Lock()
_SAYS_MAIN = ("init_main_from_path", "init_main_from_name")


@contextlib.contextmanager
def main_hidden(instead: str | None = None) -> Iterator[None]:
    """Have processes that this thread starts meanwhile not import ``__main__``; those of others do.

    They import the module ``instead``, if one is named, before they are sent anything.
    """
    with _HIDING:
        prepared, ours = spawn.get_preparation_data, threading.get_ident()

        def without_main(name: str) -> dict[str, Any]:
            data: dict[str, Any] = prepared(name)
            if threading.get_ident() == ours:
                for what in _SAYS_MAIN:
                    data.pop(what, None)
                if instead is not None:
                    data["init_main_from_name"] = instead
            return data

        spawn.get_preparation_data = without_main
        try:
            yield
        finally:
            spawn.get_preparation_data = prepared
