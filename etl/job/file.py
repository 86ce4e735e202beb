"""The state of a job that builds files: in a journal beside them, so that all of it goes together."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from etl.encode.rdb.encoder import RdbEncoder
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
from etl.job.journal import Noted, Pairs, begin_journal, is_begun, note, read_journal
from etl.job.own_record import may_have_record, record_entry
from etl.job.presence import Presence
from etl.job.resume import left_unfinished
from etl.job.spec import JobSpec, ResumePoint, now
from etl.plan import Checkpoint, CheckpointWriter, Completed, Target, Wire
from etl.sink.rdb_file.append_only import BASE_AUX, write_manifest
from etl.sink.rdb_file.assemble import FileHead, assemble, damaged, read_parts
from etl.sink.rdb_file.existing import PROVENANCE
from etl.sink.rdb_file.paths import Paths
from etl.sink.rdb_file.ranges import Range
from etl.sink.rdb_file.target import RdbFileTarget
from etl.sink.rdb_file.writer import RangeWriter

_JOB, _RUN, _PLACE, _BASE, _SUPERSEDED = b"job", b"run", b"place", b"base_ms", b"superseded"
_VERSION = b"rdb_version"
_WRITTEN = "records_written"


class FileJob:
    """A JobState (``etl/job/contract.py``); the process that has it has the files to itself.

    ``base_ms`` is the moment from which relative expiries count, in milliseconds since 1970: that of the
    first run, also in those that go on. ``encoder`` has made the entries.
    """

    part: ClassVar[str] = ""
    nodes: ClassVar[None] = None

    def __init__(self, name: str, run: str, target: RdbFileTarget, *, keep_s: float) -> None:
        self.name = name
        self.base_ms = time.time_ns() // 1_000_000
        self._begun_as = name  # the header, for which there is room already, has that name
        self.encoder: RdbEncoder | None = None
        self._run = run
        self._target = target
        self._keep_s = keep_s
        self.presence = Presence(self._token)

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
    def _version(self) -> bytes:
        return b"%d" % self._target.version

    @property
    def _token(self) -> str:
        return self._run.rpartition("/")[2]

    def set_target(self, target: Target) -> None:
        """Do nothing: a file is always the same one."""

    def reach_anew(self) -> None:
        """Do nothing: a file needs no connection."""

    def left_by(self) -> tuple[str, str]:
        """Return the token of the run that wrote last, and where it was (``presence.look_for``)."""
        fields = self._left().fields
        return (
            fields.get(_RUN, b"").decode("utf-8", "replace").rpartition("/")[2],
            fields.get(_PLACE, b"").decode("utf-8", "replace"),
        )

    def resume_point(self, task: JobSpec, *, restart: bool) -> ResumePoint:
        if restart or task.source is None:
            return ResumePoint()
        noted = read_journal(self.paths)
        try:
            head = read_head(noted.fields)
            if head is None or not is_begun(self.paths):
                return ResumePoint()
            done, passed = read_done(head, noted.fields), read_passed(head, noted.fields)
            if passed is not None:
                passed = replace(passed, superseded=int(noted.fields[_SUPERSEDED]))
            base_ms = int(noted.fields[_BASE])
            begun_as = noted.fields[_JOB].decode("utf-8", "surrogateescape")
            title = f"{self._target}, begun by job {begun_as},"
            found = left_unfinished(title, task, head, done, passed)
            if noted.fields[_VERSION] != self._version:  # an embedded folder has another server by now
                return ResumePoint()
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
            self.base_ms, self._begun_as = base_ms, begun_as
        return found

    def begin(self, task: JobSpec, block_bytes: int, *, afresh: bool) -> None:
        head = None if afresh else read_head(read_journal(self.paths).fields)
        if head is not None:
            self._note(replace(head, state=INCOMPLETE, updated=now()))
            return
        at = now()
        head = Head(INCOMPLETE, task.source or "", task.template, block_bytes, started=at, updated=at)
        of_file = self._head_of_file(head)
        try:
            begin_journal(self.paths, [of_file.room(file) for file in self.paths.files], self._pairs(head))
        except OSError as error:
            raise self.paths.failure(error) from None

    def forget_unresumable(self) -> None:
        """Take away what no run goes on with: nothing was written, or the source can be read once only."""
        head = read_head(self._left().fields)
        if head is not None and not (head.attempts and head.source):
            self.paths.remove_unfinished()

    def note_prepass(self, passed: PrepassResult) -> None:
        pairs = list(present_words(passed, self._token))
        blocks = len(pairs)
        head = self._head(read_journal(self.paths))
        pairs.append((_SUPERSEDED, b"%d" % passed.superseded))
        self._note(replace(head, passed=(passed.skipped, passed.rejected, blocks, self._token)), pairs)

    def confirmed(self, done: Completed) -> None:
        return None

    def begin_attempt(self, workers: int, split: str, repaired: int = 0) -> CheckpointWriter:
        head = self._head(read_journal(self.paths))
        number = len(head.attempts)
        marks = [Checkpoint(number, worker, workers, split, token=self._token) for worker in range(workers)]
        head = replace(head, attempts=(*head.attempts, Attempt(number, workers, self._token)))
        self._note(head, [(mark.field, mark.value) for mark in marks])
        return CheckpointWriter(b"", number, self._run.encode(), token=self._token, in_journal=True)

    def done(self) -> Completed:
        noted = read_journal(self.paths)
        return read_done(self._head(noted), noted.fields)

    def complete(self, counts: Mapping[str, int]) -> None:
        """Make RDB files of the ranges, under their own names; nothing else of them is left then."""
        noted = read_journal(self.paths)
        head = self._head(noted)
        self._require_all(head, noted, counts)
        try:
            more = [*self._completed(noted.ranges), *self._record(head, counts)]
            assemble(self.paths, [*noted.ranges, *more], self._head_of_file(head))
            for file in self.paths.files if self._target.append_only else ():
                write_manifest(file)
            for file, upload in zip(self.paths.files, self._target.uploads, strict=False):
                upload.put(file)
                os.unlink(file)
                os.rmdir(os.path.dirname(file))
        except OSError as error:
            raise self.paths.failure(error) from None
        except ValueError as error:
            raise TargetError(f"{self.paths.journal} is damaged: {error}; give --restart") from None

    def _require_all(self, head: Head, noted: Noted, counts: Mapping[str, int]) -> None:
        """Make sure that the journal has all that was written: of what it lacks the ranges are unknown."""
        try:
            found = read_done(head, noted.fields).counts()[_WRITTEN]
        except DamagedError as error:
            raise TargetError(f"{self.paths.journal} is damaged: {error}; give --restart") from None
        if found != counts[_WRITTEN]:
            raise TargetError(
                f"{self.paths.journal} is damaged: it knows of {found:,} of {counts[_WRITTEN]:,} records that"
                " were written; the same command goes on"
            )

    def _left(self) -> Noted:
        """Return what an earlier run has noted; nothing where that cannot be read."""
        try:
            return read_journal(self.paths)
        except TargetError:
            return Noted()

    def _completed(self, ranges: list[Range]) -> tuple[Range, ...]:
        """Write the keys that were in several pieces; return their ranges."""
        assert self.encoder is not None
        with contextlib.closing(RangeWriter(self.paths, expire=self.encoder.expires)) as writer:
            for number in range(len(self.paths.files)):
                of_file = [found for found in ranges if found.file == number]
                for wire in self.encoder.completed(read_parts(self.paths, of_file)):
                    writer.write(wire, number)
            return writer.unnoted

    def _record(self, head: Head, counts: Mapping[str, int]) -> tuple[Range, ...]:
        """Write the job's record as a key of the file, if it has one; return its range."""
        if not self._target.keeps_record or may_have_record(self.paths.partials[0], self.name):
            return ()
        head = replace(head, state=COMPLETE, attempts=(), passed=None, updated=now(), counts=counts)
        expires_ms = time.time_ns() // 1_000_000 + round(1000 * self._keep_s)
        entry = record_entry(self.name, [_RUN, self._run.encode(), *head.words()], expires_ms)
        with contextlib.closing(RangeWriter(self.paths, expire=True)) as writer:
            writer.write(Wire((entry,), range(2), None, len(entry)), 0)
            return writer.unnoted

    def _head_of_file(self, head: Head) -> FileHead:
        """Return what is in front of the entries, the same in each run of the job.

        AUX fields say what servers write themselves, and where the file comes from.
        """
        source = digest(JobSpec(head.source, head.template))
        aux = {
            b"redis-bits": b"64",
            b"ctime": b"%d" % (self.base_ms // 1000),
            **(BASE_AUX if self._target.append_only else {}),
            PROVENANCE: f"job={self._begun_as} source={source}".encode("utf-8", "surrogateescape"),
        }
        return FileHead(self._target.version, aux)

    def _head(self, noted: Noted) -> Head:
        head = read_head(noted.fields)
        if head is None:
            raise TargetError(f"{self._target}: {self.paths.journal} is gone; start again")
        return head

    def _pairs(self, head: Head, more: Pairs = ()) -> Pairs:
        words = head.words()
        job = (_JOB, self._begun_as.encode("utf-8", "surrogateescape"))
        run = (_RUN, self._run.encode("utf-8", "surrogateescape"))
        where = (_PLACE, self.presence.place().encode())
        version = (_VERSION, self._version)
        base = (_BASE, b"%d" % self.base_ms)
        return [job, run, where, version, base, *zip(words[::2], words[1::2], strict=True), *more]

    def _note(self, head: Head, more: Pairs = ()) -> None:
        try:
            note(self.paths, self._pairs(head, more))
        except OSError as error:
            raise self.paths.failure(error) from None


def digest(task: JobSpec) -> str:
    """Return what tells sources and options from others, as the file has it."""
    return hashlib.sha256(f"{task.source}\0{task.template}".encode()).hexdigest()[:32]
