"""The bar on a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Any

from etl.output.before import NOTHING_BEFORE, Before, rate_of
from etl.units import format_count

BAR_EVERY_S = 0.1


class BarView:
    """A tqdm bar over the bytes of the whole input, with the records of all workers a second.

    Of an input of unknown size (``total`` None) it shows the bytes so far.
    """

    every_s = BAR_EVERY_S

    def __init__(self, total: int | None, before: Before = NOTHING_BEFORE) -> None:
        self._bar = make_bar(total, before)
        self._before = before

    def paint(self, bytes_done: int, records: int, elapsed_s: float) -> None:
        self._bar.n = bytes_done
        self._bar.records = f"{format_count(records)} records"
        self._bar.rate = f"{format_count(rate_of(records, elapsed_s, self._before))}/s"
        # tqdm keeps its lock when a write fails, as on a terminal that was closed, and whoever closes the bar
        # in another thread would wait for it for ever. One thread at a time paints: no lock is needed.
        self._bar.refresh(nolock=True)

    def close(self) -> None:
        self._bar.close()


_BAR_FORMATS = (
    "{percent:3d}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, RECORDS, RATE]",
    "{percent:3d}%|{bar}| [{elapsed}<{remaining}, RECORDS, RATE]",
    "{percent:3d}%|{bar}| {remaining} left, RECORDS, RATE",
    "{percent:3d}%|{bar}| {remaining} left, RATE",
    "{percent:3d}%|{bar}| {remaining} left",
    "{percent:3d}%|{bar}|",
    "{percent:3d}%",
)


_SIZELESS_FORMATS = (
    "{n_fmt} [{elapsed}, RECORDS, RATE]",
    "{elapsed}, RECORDS, RATE",
    "RECORDS, RATE",
    "RECORDS",
    "{elapsed}",
)
"""What a bar shows: the first that fits with ten columns of bar. The least needed goes first."""


def make_bar(total: int | None, before: Before = NOTHING_BEFORE) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """tqdm rounds 99.6 % up to 100 %; this one says 100 % when it is."""

        # No thread of tqdm's own and no lock shared between processes: one process draws, from one thread.
        monitor_interval = 0
        records = "0 records"
        rate = "0/s"

        @property
        def format_dict(self) -> Any:
            values = super().format_dict
            values["percent"] = 100 * min(self.n, total) // total if total else 0
            columns = values["ncols"] or 0  # a terminal that does not know its width says 0; tqdm makes it -1
            values["ncols"] = columns if columns > 0 else None
            values["bar_format"] = self._fitting(values)
            return values

        def _fitting(self, values: Mapping[str, Any]) -> str:
            for format in _SIZELESS_FORMATS if total is None else _BAR_FORMATS:
                said = format.replace("RECORDS", self.records).replace("RATE", self.rate)
                columns = len(self.format_meter(**{**values, "ncols": None, "bar_format": said}))
                if values["ncols"] is None or columns <= values["ncols"]:
                    break
            return said

    Bar.set_lock(threading.RLock())
    return Bar(
        total=total,
        initial=before.nbytes,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        file=sys.stderr,
        leave=True,
    )
