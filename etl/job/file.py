"""The state of a job that builds a file: in a journal beside it, so that file and checkpoints go together."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from etl.encode.rdb.length import rdb_length, rdb_string
from etl.errors import TargetError
from etl.job.fields import (
    COMPLETE,
    INCOMPLETE,
    Attempt,
    DamagedError,
    Head,
    PrepassResult,
    present_words,
    read_done,
    read_head,
    read_passed,
)
from etl.job.presence import Presence
from etl.job.resume import left_unfinished
from etl.job.spec import JobSpec, ResumePoint, now
from etl.plan import (
    JOURNAL,
    Checkpoint,
    CheckpointWriter,
    Completed,
    Target,
    Wire,
    journal_entries,
    journal_entry,
)
from etl.sink.rdb_file.append_only import BASE_AUX, write_manifest
from etl.sink.rdb_file.assemble import Head as FileHead
from etl.sink.rdb_file.assemble import assemble, damaged
from etl.sink.rdb_file.existing import PROVENANCE
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import RANGE, Range, parse_range
from etl.sink.rdb_file.target import RdbFileTarget
from etl.sink.rdb_file.writer import RangeWriter

_RUN, _PLACE, _BASE = b"run", b"place", b"base_ms"


@dataclass(slots=True)
class _Noted:
    """What a journal says: fields as a job's record has them, and ranges."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)


class FileJob:
    """A JobState (``etl/job/contract.py``); the process that has it holds the file alone.

    ``base_ms`` is the moment from which relative expiries count, in milliseconds since 1970: that of the
    first run, also in those that go on.
    """

    part: ClassVar[str] = ""
    nodes: ClassVar[None] = None

    def __init__(self, name: str, run: str, target: RdbFileTarget, *, keep_s: float) -> None:
        self.name = name
        self.base_ms = time.time_ns() // 1_000_000
        self._run = run
        self._target = target
        self._keep_s = keep_s
        self.presence = Presence(self._token)
        self._noted = _Noted()

    @property
    def title(self) -> str:
        return f"job {self.name}"

    @property
    def target(self) -> Target:
        return self._target

    @property
    def paths(self) -> Paths:
        return self._target.paths

    @property
    def _token(self) -> str:
        return self._run.rpartition("/")[2]

    def set_target(self, target: Target) -> None:
        """Do nothing: a file is always the same one."""

    def reach_anew(self) -> None:
        """Do nothing: a file needs no connection."""

    def left_by(self) -> tuple[str, str]:
        """Return the token of the run that wrote last, and where it was (``presence.look_for``)."""
        fields = self._read().fields
        return (
            fields.get(_RUN, b"").decode("utf-8", "replace").rpartition("/")[2],
            fields.get(_PLACE, b"").decode("utf-8", "replace"),
        )

    def resume_point(self, task: JobSpec, *, restart: bool) -> ResumePoint:
        if restart or task.source is None:
            return ResumePoint()
        noted = self._read()
        try:
            head = read_head(noted.fields)
            # An empty file has just been made: the journal is of one that was complete, and has its name now.
            if head is None or not all(map(_holds_something, self.paths.partials)):
                return ResumePoint()
            done, passed = read_done(head, noted.fields), read_passed(head, noted.fields)
            base_ms = int(noted.fields[_BASE])
            found = left_unfinished(self.title, task, head, done, passed)
            if found.resumes and damaged(self.paths, noted.ranges):
                raise DamagedError(f"{self.paths.partials[0]} does not hold what was written into it")
        except (DamagedError, KeyError, ValueError) as error:
            raise TargetError(
                f"{self._target}: what an earlier run has left is damaged: {error}; give --restart to"
                " build it from the beginning"
            ) from None
        except OSError as error:
            raise self.paths.failure(error) from None
        if found.resumes:
            self.base_ms = base_ms
        return found

    def begin(self, task: JobSpec, block_bytes: int, *, afresh: bool) -> None:
        head = None if afresh else read_head(self._read().fields)
        if head is not None:
            self._note(replace(head, state=INCOMPLETE, updated=now()))
            return
        at = now()
        head = Head(INCOMPLETE, task.source or "", task.template, block_bytes, started=at, updated=at)
        made = f"{self.paths.journal}.new"
        try:
            with contextlib.suppress(FileNotFoundError):  # first: it speaks of what is taken away
                os.unlink(self.paths.journal)
            for file, partial in zip(self.paths.files, self.paths.partials, strict=True):
                with open(partial, "ab") as opened:
                    opened.truncate(0)
                    opened.truncate(self._head_of_file(head).room(file))
            with open(made, "wb") as journal:
                journal.write(JOURNAL + self._entry(head))
            os.replace(made, self.paths.journal)
        except OSError as error:
            raise self.paths.failure(error) from None

    def note_prepass(self, passed: PrepassResult) -> None:
        pairs = list(present_words(passed, self._token))
        head = replace(self._head(), passed=(passed.skipped, passed.rejected, len(pairs), self._token))
        self._note(head, pairs)

    def confirmed(self, done: Completed) -> None:
        return None

    def begin_attempt(self, workers: int, split: str, repaired: int = 0) -> CheckpointWriter:
        head = self._head()
        number = len(head.attempts)
        marks = [Checkpoint(number, worker, workers, split, token=self._token) for worker in range(workers)]
        head = replace(head, attempts=(*head.attempts, Attempt(number, workers, self._token)))
        self._note(head, [(mark.field, mark.value) for mark in marks])
        return CheckpointWriter(b"", number, self._run.encode(), token=self._token, in_journal=True)

    def complete(self, counts: Mapping[str, int]) -> None:
        """Make an RDB file of the ranges, under its own name; nothing else of it is left then."""
        noted = self._read()
        head = self._head()
        try:
            record = self._write_record(head, counts) if self._target.keeps_record else ()
            assemble(self.paths, [*noted.ranges, *record], self._head_of_file(head))
            for file in self.paths.files if self._target.append_only else ():
                write_manifest(file)
            for file, upload in zip(self.paths.files, self._target.uploads, strict=False):
                upload.put(file)
                os.unlink(file)
                os.rmdir(os.path.dirname(file))
        except OSError as error:
            raise self.paths.failure(error) from None

    def _write_record(self, head: Head, counts: Mapping[str, int]) -> tuple[Range, ...]:
        """Write the job's record as a key of the file; return its range."""
        head = replace(head, state=COMPLETE, attempts=(), passed=None, updated=now(), counts=counts)
        fields = [_RUN, self._run.encode(), *head.words()]
        key = b"etl:{%b}" % self.name.encode("utf-8", "surrogateescape")
        expires_ms = time.time_ns() // 1_000_000 + round(1000 * self._keep_s)
        entry = hash_entry(key, fields, expires_ms)
        with contextlib.closing(RangeWriter(self.paths, expire=True)) as writer:
            writer.write(Wire((entry,), range(2), None, len(entry)), 0)
            return writer.unnoted

    def done(self) -> Completed:
        return read_done(self._head(), self._read().fields)

    def _head_of_file(self, head: Head) -> FileHead:
        """Return what is in front of the entries, the same in each run of the job.

        AUX fields say what servers write themselves, and where the file comes from.
        """
        aux = {
            b"redis-bits": b"64",
            b"ctime": b"%d" % (self.base_ms // 1000),
            **(BASE_AUX if self._target.append_only else {}),
            PROVENANCE: f"job={self.name} source={digest(JobSpec(head.source, head.template))}".encode(
                "utf-8", "surrogateescape"
            ),
        }
        return FileHead(self._target.version, aux)

    def _head(self) -> Head:
        head = read_head(self._read().fields)
        if head is None:
            raise TargetError(f"{self._target}: {self.paths.journal} is gone; start again")
        return head

    def _entry(self, head: Head, more: list[tuple[bytes, bytes]] | None = None) -> bytes:
        words = head.words()
        run = (_RUN, self._run.encode("utf-8", "surrogateescape"))
        where = (_PLACE, self.presence.place().encode())
        base = (_BASE, b"%d" % self.base_ms)
        pairs = [run, where, base, *zip(words[::2], words[1::2], strict=True), *(more or ())]
        return journal_entry(pairs)

    def _note(self, head: Head, more: list[tuple[bytes, bytes]] | None = None) -> None:
        try:
            with open(self.paths.journal, "ab", buffering=0) as journal:
                journal.write(self._entry(head, more))
        except OSError as error:
            raise self.paths.failure(error) from None

    def _read(self) -> _Noted:
        noted = _Noted()
        try:
            with open(self.paths.journal, "rb") as journal:
                data = journal.read()
            for entry in journal_entries(data):
                for name, value in entry:
                    if name == RANGE:
                        noted.ranges.append(parse_range(value))
                    else:
                        noted.fields[name] = value
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self.paths.failure(error) from None
        except ValueError as error:
            raise TargetError(
                f"{self._target}: {self.paths.journal} is no journal: {error}; remove it"
            ) from None
        return noted


def _holds_something(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except FileNotFoundError:
        return False


def hash_entry(key: bytes, words: Sequence[bytes], expires_ms: int) -> bytes:
    """Return the entry of a hash of names and values, which every server reads."""
    strings = b"".join(map(rdb_string, words))
    expiry = EXPIRES_MS + expires_ms.to_bytes(8, "little")
    return expiry + HASH + rdb_string(key) + rdb_length(len(words) // 2) + strings


def digest(task: JobSpec) -> str:
    """Return what tells sources and options from others, as the file has it."""
    return hashlib.sha256(f"{task.source}\0{task.template}".encode()).hexdigest()[:32]
