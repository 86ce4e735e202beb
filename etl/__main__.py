"""``python -m etl`` and the command ``redis-etl``."""

from __future__ import annotations

import os
import sys

from etl.cli.main import main
from etl.run.process.hide_libraries import hide_libraries


def run() -> None:
    """Run the command line and exit with its code."""
    _reserve_standard_descriptors()
    hide_libraries()
    sys.exit(main(sys.argv[1:]))


def _reserve_standard_descriptors() -> None:
    """Open those of stdin, stdout and stderr that the caller has closed.

    Else a file of ours would get the number, and a worker's progress bar would be written into it: it was
    the memory of the shared counters.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one


if __name__ == "__main__":
    run()
