"""Batches that do not fit into memory, as workers write them: what is read back is in ``spilled_runs``.

NOTE(runs): a worker keeps batches until they take up their share of memory, sorts them by the first bits of
the hash, and writes them as one run. So what has a hash in some range is a slice of each run, and nothing
else has to be read. A run is its number of rows and the bytes of its text (8 each, of this machine's order),
then the buffers of its columns as Arrow has them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import TargetError
from etl.plan import Response, StopFlag, Wire
from etl.sink.local_target import LocalTarget
from etl.sink.spilled_runs import HEAD, Runs, heads_of, read_runs

SUFFIX = ".spilled"
_EMPTY = pa.py_buffer(b"")  # Arrow may have no buffer for no text


@dataclass(frozen=True, slots=True)
class SpillTarget(LocalTarget):
    """A Target: files of batches of ``schema``, in ``folder``.

    The first column is ``hash``; the last one may be ``binary``, and all others are numbers; none is null. A
    wire is one serialized batch, ``run_bytes`` is about how much of them a session keeps in memory. The
    files' names begin with ``prefix``.
    """

    folder: str
    prefix: str
    schema: pa.Schema
    run_bytes: int

    @property
    def name(self) -> str:
        return self.folder

    def connect_reconnecting(self, client_name: str, stop: StopFlag) -> SpillSession:
        return SpillSession(self, os.path.join(self.folder, f"{self.prefix}-{client_name}{SUFFIX}"))

    def runs(self) -> Runs:
        """Return what all sessions have written. Raises TargetError."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.startswith(f"{self.prefix}-"))
            return read_runs([os.path.join(self.folder, name) for name in names], self.schema)
        except OSError as error:
            raise spill_error(self.folder, error) from None


def remove_spills(folder: str) -> None:
    """Remove what a pass that was killed has left in its folder, and the folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        empty_spills(folder)
        os.rmdir(folder)


def empty_spills(folder: str) -> None:
    """Remove the files that sessions have written into a folder. Raises OSError."""
    for name in os.listdir(folder):
        if name.endswith(SUFFIX):
            os.unlink(os.path.join(folder, name))


class SpillSession:
    """A RenewableSession (``etl/plan/target.py``) that answers at once."""

    def __init__(self, target: SpillTarget, path: str) -> None:
        self._target = target
        self._path = path
        self._batches: list[pa.RecordBatch] = []
        self._nbytes = 0
        try:
            self._file = open(path, "wb")  # noqa: SIM115 - a session is closed
        except OSError as error:
            raise spill_error(path, error) from None

    def submit(self, wire: Wire, token: Any) -> Iterator[Response]:
        (data,) = wire.buffers
        batch = pa.ipc.read_record_batch(pa.py_buffer(data), self._target.schema)
        if len(batch):
            self._batches.append(batch)
            self._nbytes += len(data)
        if self._nbytes >= self._target.run_bytes:
            self._write_run()
        return iter((Response(token, wire, None),))

    def drain(self) -> Iterator[Response]:
        self._write_run()
        return iter(())

    def renew(self) -> None:
        """Do nothing: a file stays open."""

    def close(self) -> None:
        with contextlib.suppress(OSError):  # every run was flushed, and that has failed where this does
            self._file.close()

    def _write_run(self) -> None:
        if not self._batches:
            return
        batch = pa.concat_batches(self._batches) if len(self._batches) > 1 else self._batches[0]
        batch = batch.take(pc.array_sort_indices(heads_of(batch.column(0))))
        buffers = [buffer or _EMPTY for column in batch.columns for buffer in column.buffers()[1:]]
        text = len(buffers[-1]) if len(buffers) > batch.num_columns else 0
        try:
            self._file.write(HEAD.pack(len(batch), text))
            for buffer, nbytes in zip(buffers, _sizes(batch, text), strict=True):
                self._file.write(memoryview(buffer)[:nbytes])
            self._file.flush()
        except OSError as error:
            raise spill_error(self._path, error) from None
        self._batches, self._nbytes = [], 0


def _sizes(batch: pa.RecordBatch, text: int) -> list[int]:
    """Return how many bytes of each buffer are its own: Arrow may have allocated more."""
    sizes = []
    for column in batch.columns:
        if column.type == pa.binary():
            sizes += [4 * (len(batch) + 1), text]
        else:
            sizes.append(len(batch) * column.type.byte_width)
    return sizes


def spill_error(path: str, error: OSError) -> TargetError:
    """Return the error of a file that cannot be written or read."""
    why = os.strerror(error.errno) if error.errno else str(error)
    return TargetError(f"{path}: {why}: there has to be room for a hash of every key beside the target")
