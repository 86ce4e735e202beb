"""Where a job's state is found by its name, in a cluster one slot of which has all keys of the load.

There it lies in that slot, beside the data. ``etl:{JOB}``, where it is looked for, then holds the hash tag of
the slot, and nothing else.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from etl.job.state import KEEP_S, Job
from etl.plan import StopFlag
from etl.sink.control import ControlConnection

_TAG = b"slot_tag"


def note_place(job: Job, stop: StopFlag) -> None:
    """Note the hash tag of a job that has one, for as long as its state is kept. Raises TargetError."""
    if job.tag is None:
        return
    key = replace(job, tag=None, part="").key
    keep_ms = round(1000 * (KEEP_S if job.keep_s is None else job.keep_s))
    with closing(ControlConnection(job.target.holding(key), stop)) as control:
        _, record = control.execute((b"HSET", key, _TAG, job.tag), (b"HGETALL", key))
        if len(record) == 2:  # else it is the state of another load by this name, which stays as it is
            control.execute((b"PEXPIRE", key, b"%d" % max(1, keep_ms)))


def placed(job: Job, stop: StopFlag) -> Job:
    """Return a job of a cluster, known by its name, as its state is to be found. Raises TargetError."""
    with closing(ControlConnection(job.target.holding(job.key), stop)) as control:
        (record,) = control.execute((b"HGETALL", job.key))
    fields = dict(zip(record[::2], record[1::2], strict=True))
    return job if _TAG not in fields or b"state" in fields else replace(job, tag=fields[_TAG])
