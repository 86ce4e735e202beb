"""What both verbs share: how many workers, passes over the keys, rejects, and which error counts."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.dedupe import masks
from etl.encode.strategies.prepass import ClearEncoder, ProbeEncoder
from etl.errors import (
    EtlError,
    InterruptedRunError,
    RejectedError,
    SourceError,
    TargetError,
    UsageError,
)
from etl.job.name import job_name
from etl.job.state import PrepassResult
from etl.options import LoadOptions, VerifyOptions
from etl.pipeline import connect as connecting
from etl.pipeline import prepare as preparing
from etl.pipeline.claim import job_spec
from etl.pipeline.connect import connect
from etl.pipeline.execution import Run
from etl.pipeline.loading import Load
from etl.pipeline.plan import make_plan
from etl.pipeline.preflight import preflight
from etl.pipeline.resolve import resolve
from etl.plan import Plan, Source
from etl.report import RejectLimit, Report
from etl.run.runners.inline import InlineRunner
from etl.run.signals import StopSignals
from etl.run.sizing import choose_worker_count
from etl.source.text.files import TextFiles
from etl.verbs.load import load
from etl.verbs.verify import verify
from etl.worker.messages import Failed, Finished, ShardResult
from tests.cases import cases
from tests.unit.encode.given import template
from tests.unit.encode.model import OK, Document, Model, RefusedError, Scores
from tests.unit.given import parse_commands, source_of
from tests.unit.memory import ModelTarget, plan_for, tally_of

STOPPED = InterruptedRunError("stopped", 2)
GONE = TargetError("gone")
NOPERM = RefusedError("NOPERM User u has no permissions to run the 'del' command")


class Server(Model):
    """A model with streams, where some commands may be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: frozenset[bytes] = frozenset()
        self.job = JobModel()

    def answer(self, command: list[bytes]) -> bytes:
        if len(command) > 1 and command[1].startswith(b"etl:{"):
            return self.job.answer(command)
        if command[0] in (b"MULTI", b"EXEC"):  # that of the lock
            return b"+OK\r\n"
        if command[0] in (b"INFO", b"COMMAND", b"ACL"):  # what is asked before a load and behind it
            return b"-ERR unknown command\r\n"
        if command[0] in self.refused:
            self.asked.append(command[0])
            return b"-%b\r\n" % str(NOPERM).encode()
        return super().answer(command)

    def do_eval(self, _script: bytes, _number: bytes, key: bytes, *words: bytes) -> bytes:
        """Do what the fence does, when nothing goes wrong: the commands, and then the mark."""
        field, _place, new, about, wire, _run = words
        replies = [self.answer(command) for command in parse_commands(wire)]
        said = b"\n".join(
            b"%d %b" % (number, reply[1:-2] if reply[:1] == b"-" else b"")
            for number, reply in enumerate(replies)
            if reply[:1] == b"-" or reply == b"$-1\r\n"
        )
        if all(reply[:1] == b"-" for reply in replies):
            return b"-" + said
        self.job.do_hset(key, field, b"\n".join((new, about, said)))
        return b"+" + said

    def do_xadd(self, key: bytes, _id: bytes, *words: bytes) -> bytes:
        entries: Entries = self.make(key, Entries)
        entries.append(words)
        return b"1-%d" % len(entries)


class JobModel(Model):
    """What a server does with the record of a job and its lock."""

    def do_hgetall(self, key: bytes) -> list[bytes]:
        fields: dict[bytes, bytes] = self.get(key, dict) or {}
        return [word for pair in fields.items() for word in pair]

    def do_hdel(self, key: bytes, *fields: bytes) -> int:
        return sum(self.make(key, dict).pop(field, None) is not None for field in fields)

    def do_watch(self, _key: bytes) -> Any:
        return OK


class Entries(list[tuple[bytes, ...]]):
    """A stream."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server in memory, which all verbs of the test talk to; the test stands in a folder of its own."""
    model = Server()
    target = ModelTarget(model)

    @contextlib.contextmanager
    def opened(options: LoadOptions) -> Iterator[ModelTarget]:
        yield target

    for module in (connecting, preparing):
        monkeypatch.setattr(module, "opened_target", opened)
    monkeypatch.chdir(tmp_path)
    return model


RECORDS = ({"id": 1, "v": "a", "score": 1}, {"id": 2, "v": "b", "score": 2}, {"id": 1, "v": "c", "score": 3})


def jsonl(*lines: Any) -> str:
    """Write a file of records (given as objects) and of other lines (as text)."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    Path("records.jsonl").write_text("\n".join(texts))
    return "records.jsonl"


def plain(value: Any) -> Any:
    """Return what a key holds as one can write it down."""
    if isinstance(value, Document):
        return value.value
    return list(value) if isinstance(value, Entries) else value


def loaded(source: Any, **options: Any) -> Report:
    """Load; records are numbered unless the test says otherwise, and hashes go by HSET."""
    chosen: dict[str, Any] = {"progress": "none", "workers": 1}
    if "command" not in options:
        chosen["key"] = "{#}"
        if options.get("as_", "hash") == "hash":
            chosen["wire"] = "hset"
    return load(source, **(chosen | options))


def counts(report: Report) -> list[int]:
    assert report.records["read"] == sum(report.records.values()) - report.records["read"]
    return [report.records[name] for name in ("written", "skipped", "rejected")]


SETTINGS = {
    "string": {"value": "{v}"},
    "hash": {"include": "v"},
    "json": {"include": "v"},
    "list": {"value": "{v}"},
    "set": {"value": "{v}"},
    "zset": {"value": "{v}"},
    "stream": {"include": "v"},
}


def old(kind: str) -> Any:
    """Make the value that is there before a load: loads change what they find."""
    values = {
        "string": b"old",
        "hash": {b"old": b"x"},
        "json": Document({"old": 1}),
        "list": [b"old"],
        "set": {b"old"},
        "zset": Scores({b"old": 9.0}),
        "stream": Entries([(b"old", b"x")]),
    }
    return values[kind]


REPLACED = {
    "string": b"c",
    "hash": {b"v": b"c"},
    "json": {"v": "c"},
    "list": [b"a", b"c"],
    "set": {b"a", b"c"},
    "zset": {b"a": 1.0, b"c": 3.0},
    "stream": [(b"v", b"a"), (b"v", b"c")],
}

MERGED = {
    "hash": {b"old": b"x", b"v": b"c"},
    "json": {"old": 1, "v": "c"},
    "list": [b"old", b"a", b"c"],
    "set": {b"old", b"a", b"c"},
    "zset": {b"old": 9.0, b"a": 1.0, b"c": 3.0},
    "stream": [(b"old", b"x"), (b"v", b"a"), (b"v", b"c")],
}


def load_over(server: Server, kind: str, if_exists: str, **options: Any) -> Report:
    """Load three records over an old value of one of their two keys."""
    server.keys = {b"k:1": old(kind), b"other": b"other"}
    source = jsonl(*RECORDS)
    return loaded(source, as_=kind, key="k:{id}", if_exists=if_exists, **SETTINGS[kind], **options)


@cases("kind", REPLACED)
def test_replace_leaves_nothing_of_what_was_there_before_the_run(server: Server, kind: str) -> None:
    report = load_over(server, kind, "replace")
    assert counts(report) == [3, 0, 0]
    assert plain(server.keys[b"k:1"]) == REPLACED[kind]
    assert set(server.keys) == {b"k:1", b"k:2", b"other"}


@cases("kind", MERGED)
def test_merge_adds_to_what_is_there(server: Server, kind: str) -> None:
    assert counts(load_over(server, kind, "merge")) == [3, 0, 0]
    assert plain(server.keys[b"k:1"]) == MERGED[kind]
    assert b"k:2" in server.keys
    assert b"DEL" not in server.asked


def test_merge_means_nothing_for_strings(server: Server) -> None:
    with pytest.raises(UsageError, match="--if-exists merge has no meaning for a string"):
        load_over(server, "string", "merge")
    assert server.asked == []


@cases("kind", REPLACED)
def test_skip_leaves_a_key_that_is_there_alone(server: Server, kind: str) -> None:
    report = load_over(server, kind, "skip")
    assert counts(report) == [1, 2, 0]
    assert plain(server.keys[b"k:1"]) == plain(old(kind))
    assert b"k:2" in server.keys
    assert report.exit_code == 0


@cases("kind", REPLACED)
def test_fail_refuses_the_records_whose_key_is_there(server: Server, kind: str) -> None:
    report = load_over(server, kind, "fail", max_rejects=2, rejects="r")
    assert counts(report) == [1, 0, 2]
    assert plain(server.keys[b"k:1"]) == plain(old(kind))
    assert b"k:2" in server.keys
    entries = [json.loads(line) for line in Path("r").read_text().splitlines()]
    assert [(entry["record"], entry["reason"]) for entry in entries] == [
        (0, "its key exists"),
        (2, "its key exists"),
    ]
    assert [json.loads(entry["raw"]) for entry in entries] == [RECORDS[0], RECORDS[2]]


@cases("kind", [kind for kind in REPLACED if kind != "string"])
def test_without_a_budget_fail_writes_nothing(server: Server, kind: str) -> None:
    with pytest.raises(RejectedError, match=r"record 0 of .* was refused: its key exists") as caught:
        load_over(server, kind, "fail")
    assert set(server.keys) == {b"k:1", b"other"}
    assert caught.value.report is not None
    assert caught.value.report.records["written"] == 0
    assert caught.value.report.records["rejected"] >= 1
    counts(caught.value.report)


@cases("kind", [kind for kind in REPLACED if kind != "string"])
def test_records_of_one_run_may_share_a_key_that_was_not_there(server: Server, kind: str) -> None:
    for if_exists in ("skip", "fail"):
        server.keys.clear()
        report = loaded(jsonl(*RECORDS), as_=kind, key="k:{id}", if_exists=if_exists, **SETTINGS[kind])
        assert counts(report) == [3, 0, 0]
        assert plain(server.keys[b"k:1"]) == REPLACED[kind]


def test_a_constant_key_is_cleared_by_one_command_before_the_first_record(server: Server) -> None:
    server.keys = {b"all": {b"old"}}
    records = [{"id": number} for number in range(1500)]
    assert counts(loaded(jsonl(*records), as_="set", key="all", value="{id}")) == [1500, 0, 0]
    assert server.keys == {b"all": {b"%d" % number for number in range(1500)}}
    assert server.asked.count(b"DEL") == 1
    assert server.asked[0] == b"DEL"
    assert server.asked.count(b"SADD") == 3


def test_a_constant_key_that_may_not_be_cleared_fails_the_run_before_the_first_record(server: Server) -> None:
    server.refused = frozenset({b"DEL"})
    with pytest.raises(TargetError, match=r"model: this user may not run the command .*NOPERM") as caught:
        loaded(jsonl(*RECORDS), as_="set", key="all", value="{v}")
    assert server.asked == [b"DEL"]
    assert caught.value.report is not None
    assert caught.value.report.status == "failed"


def test_a_pass_that_fails_fails_the_run_before_the_first_record(server: Server) -> None:
    for kind, command, if_exists in (("list", b"DEL", "replace"), ("list", b"EXISTS", "skip")):
        server.asked.clear()
        server.refused = frozenset({command})
        with pytest.raises(TargetError, match="NOPERM"):
            load_over(server, kind, if_exists)
        assert set(server.asked) == {command}


STREAM = [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]


@cases(
    ("kind", "if_exists"),
    [("list", "replace"), ("zset", "replace"), ("hash", "skip"), ("json", "fail"), ("set", "skip")],
)
def test_a_stream_is_refused_where_all_keys_have_to_be_looked_at_first(
    server: Server, kind: str, if_exists: str
) -> None:
    with pytest.raises(UsageError, match=r"can be read only once: give a file, or --if-exists merge"):
        loaded(iter(STREAM), as_=kind, key="k:{id}", if_exists=if_exists)
    assert server.keys == {}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"as_": "hash", "key": "k:{id}", "include": "v"}, {b"k:1": {b"v": b"a"}, b"k:2": {b"v": b"b"}}),
        ({"as_": "string", "key": "{id}", "value": "{v}", "if_exists": "skip"}, {b"1": b"a", b"2": b"b"}),
        ({"as_": "set", "key": "all", "value": "{v}"}, {b"all": {b"a", b"b"}}),
        (
            {"as_": "list", "key": "k:{id}", "value": "{v}", "if_exists": "merge"},
            {b"k:1": [b"a"], b"k:2": [b"b"]},
        ),
        ({"command": "SADD s{id} {v}"}, {b"s1": {b"a"}, b"s2": {b"b"}}),
    ],
)
def test_a_stream_is_loaded_where_no_key_has_to_be_looked_at(
    server: Server, options: dict[str, Any], keys: dict[bytes, Any]
) -> None:
    assert counts(loaded(iter(STREAM), **options)) == [2, 0, 0]
    assert server.keys == keys


@pytest.mark.parametrize(("kind", "if_exists"), [("list", "replace"), ("hash", "skip"), ("set", "fail")])
def test_a_bad_record_is_refused_once_though_the_file_is_read_twice(
    server: Server, kind: str, if_exists: str
) -> None:
    server.keys = {b"k:1": old(kind)}
    source = jsonl(*RECORDS, "oops", {"v": "no id"}, "")
    report = loaded(
        source,
        as_=kind,
        key="k:{id}",
        if_exists=if_exists,
        max_rejects=4,
        rejects="r",
        **SETTINGS[kind],
    )
    entries = [json.loads(line) for line in Path("r").read_text().splitlines()]
    found = 2 if if_exists == "fail" else 0
    assert sorted(entry["record"] for entry in entries) == sorted([3, 4, *([0, 2] if found else [])])
    assert report.records["read"] == 5
    assert report.records["rejected"] == 2 + found
    counts(report)


@pytest.mark.parametrize(
    ("reject_limit", "ends_well"), [("25%", True), ("24.9%", False), ("1", True), ("0", False)]
)
def test_a_budget_is_judged_when_all_is_read(server: Server, reject_limit: str, ends_well: bool) -> None:
    source = jsonl({"id": 1}, {"id": 2}, "oops", {"id": 3})
    if ends_well:
        report = loaded(source, max_rejects=reject_limit)
        assert (report.exit_code, report.status, counts(report)) == (1, "complete", [3, 0, 1])
        return
    with pytest.raises(RejectedError, match=r"\(--max-rejects\)") as caught:
        loaded(source, max_rejects=reject_limit)
    report_so_far = caught.value.report
    assert report_so_far is not None
    assert report_so_far.status == "incomplete"
    counts(report_so_far)


def test_a_percentage_counts_what_a_pass_has_refused(server: Server) -> None:
    server.keys = {b"k:1": [b"old"]}
    options: dict[str, Any] = {"as_": "list", "key": "k:{id}", "value": "{v}", "if_exists": "fail"}
    assert counts(loaded(jsonl(*RECORDS), max_rejects="67%", **options)) == [1, 0, 2]
    server.keys = {b"k:1": [b"old"]}
    with pytest.raises(RejectedError, match="2 of 3 records were rejected; 66 % are allowed"):
        loaded(jsonl(*RECORDS), max_rejects="66%", **options)
    assert server.keys == {b"k:1": [b"old"]}


def test_hashes_go_by_restore_only_where_the_server_takes_it(server: Server) -> None:
    source = jsonl({"id": 1})
    assert counts(loaded(source, wire="auto")) == [1, 0, 0]
    assert b"RESTORE" in server.job.asked
    assert server.keys == {b"0": {b"id": b"1"}}
    with pytest.raises(TargetError, match=r"model takes no RESTORE: .*unknown command.*; give --wire hset"):
        loaded(source, wire="restore")


# The file for rejects.


def test_the_file_for_rejects_is_named_after_the_job_and_made_when_there_are_any(server: Server) -> None:
    report = loaded(jsonl({"id": 1}))
    assert set(os.listdir()) == {"records.jsonl"}
    report = loaded(jsonl({"id": 1}, "oops"), max_rejects=1)
    assert set(os.listdir()) == {"records.jsonl", f"rejects-{report.job}.jsonl"}


def test_rejects_of_an_earlier_run_are_forgotten_by_a_load_and_kept_by_a_verify(server: Server) -> None:
    source = jsonl({"id": 1}, "oops")
    report = loaded(source, max_rejects=1)
    path = Path(f"rejects-{report.job}.jsonl")
    rejects = path.read_bytes()
    path.write_bytes(b"mended by hand")
    verified = verify(source, progress="none", workers=1, max_rejects=1, key="{#}")
    assert verified.job == report.job
    assert (verified.records["equal"], verified.records["rejected"]) == (1, 1)
    assert path.read_bytes() == b"mended by hand"
    loaded(source, max_rejects=1)
    assert path.read_bytes() == rejects
    loaded(jsonl({"id": 1}))
    assert not path.exists()


@pytest.mark.parametrize("name", ["records.jsonl", "./records.jsonl", "link"])
def test_a_source_is_no_file_for_rejects(server: Server, name: str) -> None:
    source = jsonl({"id": 1})
    Path("link").symlink_to(source)
    with pytest.raises(UsageError, match="is one of the sources: give another file"):
        loaded(source, rejects=name)
    assert Path(source).read_text() == '{"id": 1}'


def test_rejects_that_were_mended_load_again(server: Server) -> None:
    loaded(jsonl({"id": 1}, "oops"), max_rejects=1, rejects="r.jsonl")
    (entry,) = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    Path("mended.jsonl").write_text(entry["raw"].replace("oops", '{"id": 2}'))
    assert counts(loaded("mended.jsonl", key="k:{id}")) == [1, 0, 0]
    assert server.keys[b"k:2"] == {b"id": b"2"}


# Which error counts, how many workers, what a job is called.


@dataclass(frozen=True, slots=True)
class Sized:
    """A source of which nothing is known but its size."""

    nbytes: int | None


@cases(
    ("nbytes", "cores", "workers"),
    [
        (0, 8, 1),
        (1, 8, 1),
        (8 << 20, 8, 2),
        (1 << 40, 4, 4),
        (1 << 40, 64, 8),
        (1 << 40, 1, 1),
        (None, 4, 4),
        (None, 64, 8),
    ],
)
def test_a_worker_a_core_but_none_that_takes_longer_to_start_than_it_helps(
    monkeypatch: pytest.MonkeyPatch, nbytes: int | None, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    source: Any = Sized(nbytes)
    assert choose_worker_count(source) == workers


def first_error(
    folder: Path,
    *words: ShardResult,
    stopping: bool = False,
    finished: int = 0,
    reject_limit: RejectLimit | None = None,
    rejected: int = 0,
) -> EtlError | None:
    plan: Plan = plan_for(
        source_of(folder, [b"a\n"]), workers=2, reject_limit=reject_limit or RejectLimit(count=0)
    )
    counters = tally_of(2)
    for worker in range(finished):
        counters.add(worker, "finished", 1)
    counters.add(1, "records_read", 10)
    counters.add(0, "records_rejected", rejected)
    signals = StopSignals()
    if stopping:
        signals.received.append(15)
    return Run(plan, InlineRunner(), signals, counters).first_error(words)


def test_a_failure_counts_before_the_signal_that_may_have_caused_it(tmp_path: Path) -> None:
    assert first_error(tmp_path, Failed(0, 0, STOPPED), Failed(1, 0, GONE)) is GONE
    assert first_error(tmp_path, Failed(0, 0, STOPPED), Finished(1, 0)) is STOPPED


def test_a_signal_counts_unless_every_worker_has_finished(tmp_path: Path) -> None:
    done = (Finished(0, 0), Finished(1, 0))
    error = first_error(tmp_path, *done, stopping=True, finished=1)
    assert isinstance(error, InterruptedRunError)
    assert error.exit_code == 143
    assert first_error(tmp_path, *done, stopping=True, finished=2) is None


def test_a_source_that_changed_unnoticed_fails_a_run_that_went_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first_error(tmp_path, Finished(0, 0), finished=2) is None
    monkeypatch.setattr(TextFiles, "verify_unchanged", lambda self: (_ for _ in ()).throw(SourceError("x")))
    assert isinstance(first_error(tmp_path, Finished(0, 0), finished=2), SourceError)


@pytest.mark.parametrize(
    ("reject_limit", "rejected", "spent"),
    [
        (RejectLimit(count=1), 1, False),
        (RejectLimit(count=1), 2, True),
        (RejectLimit(percent=20), 2, False),
        (RejectLimit(percent=20), 3, True),
    ],
)
def test_a_run_that_went_well_may_still_have_refused_too_many(
    tmp_path: Path, reject_limit: RejectLimit, rejected: int, spent: bool
) -> None:
    error = first_error(tmp_path, Finished(0, 0), finished=2, reject_limit=reject_limit, rejected=rejected)
    assert isinstance(error, RejectedError) == spent
    if spent:
        assert str(error) == (
            f"{rejected} of 10 records were rejected; {reject_limit} are allowed (--max-rejects)"
        )


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_bits_that_two_workers_know_of_a_block_are_all_kept(one: bytes, other: bytes) -> None:
    either = masks.either(one, other)
    assert len(either) == max(len(one), len(other))
    for place in range(len(either) * 8):
        assert bit(either, place) == (bit(one, place) or bit(other, place))


def bit(data: bytes, place: int) -> bool:
    return place // 8 < len(data) and bool(data[place // 8] >> place % 8 & 1)


def test_a_pass_has_its_own_counts_but_for_the_records_that_it_settled(
    server: Server, tmp_path: Path
) -> None:
    server.keys = {b"1": b"x", b"4": b"x"}
    source = source_of(tmp_path, [b"\n".join(b"%d" % number for number in range(6))])
    plan = plan_for(source, ModelTarget(server), block_bytes=4)
    run = Run(plan, InlineRunner(), StopSignals(), tally_of(1))
    passed = run.run_prepass(ProbeEncoder(template("{line}"), refuse=False))
    assert passed == PrepassResult(skipped=2, rejected=0, present={0: b"\x02", 2: b"\x01"})
    assert not any(run.counters.slots)


def test_what_two_workers_have_settled_of_one_block_is_passed_over(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [Finished(0, 1.0, present={0: b"\x01"}), Finished(1, 1.0, present={0: b"\x02\x01", 1: b"\x08"})]
    monkeypatch.setattr(InlineRunner, "run", lambda *given: words)
    source = source_of(tmp_path, [b"0\n1\n2\n3\n4\n"])
    plan = plan_for(source, ModelTarget(server), block_bytes=4, workers=2, split="record")
    run = Run(plan, InlineRunner(), StopSignals(), tally_of(2))
    passed = run.run_prepass(ProbeEncoder(template("{line}"), refuse=False))
    assert passed.present == {0: b"\x03\x01", 1: b"\x08"}


def test_a_pass_that_clears_settles_no_record(server: Server, tmp_path: Path) -> None:
    server.keys = {b"1": b"x", b"other": b"x"}
    source = source_of(tmp_path, [b"0\n1\n2\n"])
    run = Run(plan_for(source, ModelTarget(server)), InlineRunner(), StopSignals(), tally_of(1))
    assert run.run_prepass(ClearEncoder(template("{line}"))) == PrepassResult()
    assert server.keys == {b"other": b"x"}
    assert run.counters.total("records_read") == 0


def test_a_job_is_named_by_its_source_target_and_templates(tmp_path: Path) -> None:
    source = source_of(tmp_path, [b"a", b"b"])

    def name(file: int = 0, target: str = "t", **options: Any) -> str:
        one = TextFiles(source.files[file : file + 1], source.formats[:1], source.begins[:1])
        return job_name(one, target, LoadOptions(**options))

    assert name() == name(progress="none", workers=3)
    assert name().startswith("part-0-")
    different: Sequence[str] = [
        name(),
        name(1),
        name(target="u"),
        name(key="k:{#}"),
        name(as_="set"),
        name(value="{#}"),
        name(command="SADD a {line}"),
        name(command=["SADD a {line}", "SADD b {line}"]),
    ]
    assert len(set(different)) == len(different)


def test_a_load_and_its_verify_are_the_same_job(tmp_path: Path) -> None:
    source: Source = source_of(tmp_path, [b"a"])
    options: dict[str, Any] = {"key": "k:{#}", "as_": "list"}
    names = {job_name(source, "t", kind(**options)) for kind in (LoadOptions, VerifyOptions)}
    assert len(names) == 1


@cases(
    ("changes", "says"),
    [
        ({"key": "{id}"}, "--key '{id}' uses {id}, but a is read as lines"),
        ({"key": "{"}, "lone {"),
        ({"key": "constant"}, "names no field"),
        ({"to": "http://host"}, "the target's URL starts with"),
        ({"to": "embedded:"}, "--to embedded: needs a folder"),
        (
            {"to": "rediss://h?ssl_ca_certs=/none.pem"},
            "ssl_ca_certs=/none.pem in the target's URL cannot be read",
        ),
        (
            {"to": "rediss://h?ssl_ca_path=/none"},
            "ssl_ca_path=/none in the target's URL cannot be read: No such",
        ),
        ({"nothing": 1}, "there is no option 'nothing'"),
        ({"workers": 0}, "--workers must be a whole number from 1, not 0"),
        ({"as_": "string", "if_exists": "merge"}, "no meaning for a string"),
        (
            {"format": "csv"},
            "need --key TEMPLATE, the key that each is written to: for example --key 'a:{#}'",
        ),
        ({"command": "KEYS *"}, "KEYS is refused"),
        ({"format": "csv", "strip": True}, "--strip has no effect on a source read as csv"),
        ({"wire": "restore"}, "--wire has no effect with --as string, the default here"),
    ],
)
def test_a_usage_error_is_raised_before_anything_is_connected_to(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    (tmp_path / "a").write_bytes(b"x\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "a", **{"to": "redis://127.0.0.1:1", **changes})
    assert says in str(caught.value)
    assert caught.value.report is None


def test_rejects_for_want_of_a_field_are_explained_by_those_that_there_are(server: Server) -> None:
    with pytest.raises(RejectedError) as caught:
        loaded(jsonl({"ident": 1, "at": {"zip": 1}}), key="k:{idnt}")
    assert "it has no field {idnt}" in str(caught.value)
    assert str(caught.value).endswith(
        "--key 'k:{idnt}' uses {idnt}, and the first records of records.jsonl have: ident, at."
        " Did you mean {ident}?"
    )
    with pytest.raises(RejectedError) as caught:
        loaded(jsonl({"id": 1}, "oops"), key="k:{id}")
    assert "uses {id}" not in str(caught.value)


def test_a_key_is_proposed_for_json_by_the_first_records(server: Server) -> None:
    with pytest.raises(UsageError, match=r"--key 'records:{user_id}', or --key 'records:{#}'"):
        load(jsonl({"name": "a", "user_id": 1}))
    assert server.asked == []


def test_an_expiry_in_the_past_is_told(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for at, told in (("2001-01-31", True), ("5000-01-01T00:00:00Z", False)):
        loaded(jsonl(), key="k:{id}", expire_at=at, progress="log")
        said = f"redis-etl: --expire-at {at} is in the past: the keys are gone at once\n"
        assert (said in capsys.readouterr().err) == told


def test_a_file_for_rejects_that_cannot_be_written_is_told_before_the_first_record(server: Server) -> None:
    """Where rejects are allowed; else the load ends with the first one anyway."""
    os.mkdir("folder")
    source = jsonl({"id": 1})
    for options in (
        {"rejects": "none/r.jsonl"},
        {"rejects": "folder"},
        {"rejects": "none/r", "max_rejects": 1},
    ):
        with pytest.raises(
            SourceError, match=r"cannot write rejects to .*name another file with --rejects FILE"
        ):
            loaded(source, **options)
    assert server.keys == {}
    assert counts(loaded(source, rejects="r.jsonl", max_rejects=1)) == [1, 0, 0]
    assert set(os.listdir()) == {"records.jsonl", "folder"}


def test_what_is_in_no_block_counts_as_done(server: Server) -> None:
    """A header: else no bar and no report would come to the end."""
    Path("people.csv").write_text("id,name\n1,Ada\n")
    for verb in (load, verify):
        report = verb("people.csv", key="p:{id}", progress="none", workers=1)
        assert report.bytes == os.path.getsize("people.csv")


def test_the_steps_before_the_run_say_what_it_will_do_and_write_nothing(server: Server) -> None:
    options = LoadOptions(key="k:{id}", as_="list", value="{id}", workers=1, progress="none")
    verb, signals = Load(options), StopSignals()
    resolved = resolve([jsonl({"id": 1}, {"id": 2})], options, verb.work)
    assert resolved.work.fenced
    assert resolved.projection.names == {"id"}
    with connect(options, signals) as connected:
        checked = preflight(resolved, connected, options, signals)
        resume_point = checked.job.resume_point(
            job_spec(resolved.source, resolved.work.mapping, options), restart=False
        )
        plan = make_plan(resolved, checked, resume_point, options)
    assert (plan.workers, plan.fenced, plan.records()) == (1, True, 2)
    assert plan.blocks is not None
    assert checked.work.encoders.prepass == ClearEncoder(template("k:{id}"))
    assert server.asked == []
    assert server.keys == {}
    assert server.job.keys == {}
