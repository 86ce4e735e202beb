"""The command line: argv in, text or JSON out, exit code."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from typing import Any

import pytest

import etl.verbs
from etl.cli import main as cli
from etl.errors import (
    EtlError,
    InterruptedRunError,
    MissingExtraError,
    RejectedError,
    SourceError,
    TargetError,
    UsageError,
    WorkerError,
)
from etl.options import LoadOptions, VerifyOptions
from etl.report import Report, WorkerReport
from tests.cases import cases

SECRET = "s3cr3tMarker"

REPORT = Report(
    verb="load",
    status="complete",
    job="job",
    target="redis://host:6379/0",
    records={"read": 2, "written": 2, "skipped": 0, "rejected": 0},
    bytes=4,
    seconds=0.5,
    workers=(WorkerReport(2, 1, 0.5),),
)


class Verb:
    """Stands in for a verb's ``run``: remembers what it was called with, and returns or raises an outcome."""

    def __init__(self, outcome: Report | BaseException) -> None:
        self.outcome = outcome
        self.calls: list[tuple[Any, list[str]]] = []

    def __call__(self, options: Any, sources: list[str]) -> Report:
        self.calls.append((options, sources))
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def replaced(monkeypatch: pytest.MonkeyPatch, outcome: Report | BaseException, verb: str = "load") -> Verb:
    stand_in = Verb(outcome)
    monkeypatch.setattr(f"etl.verbs.{verb}.run", stand_in)
    return stand_in


def test_sources_and_options_reach_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    verb = replaced(monkeypatch, REPORT)
    assert cli.main(["load", "a", "b", "--key", "k:{#}", "--workers", "3", "--if-exists", "skip"]) == 0
    assert verb.calls == [(LoadOptions(key="k:{#}", workers=3, if_exists="skip"), ["a", "b"])]


@cases(
    ("words", "options"),
    [
        (["--as", "set", "--value", "{id}"], LoadOptions(as_="set", value="{id}")),
        (
            ["--command", "HSET u:{id} {*}", "--command", "SADD all {id}"],
            LoadOptions(command=("HSET u:{id} {*}", "SADD all {id}")),
        ),
        (
            ["--format", "tsv", "--fields", "a,b", "--quote", ""],
            LoadOptions(format="tsv", fields="a,b", quote=""),
        ),
        (["--max-rejects", "1%", "--rejects", "r.jsonl"], LoadOptions(max_rejects="1%", rejects="r.jsonl")),
        (["--ttl", "{ttl}", "--omit-empty"], LoadOptions(ttl="{ttl}", omit_empty=True)),
    ],
)
def test_every_kind_of_option_reaches_the_verb(
    monkeypatch: pytest.MonkeyPatch, words: list[str], options: LoadOptions
) -> None:
    verb = replaced(monkeypatch, REPORT)
    assert cli.main(["load", "a", *words]) == 0
    assert verb.calls == [(options, ["a"])]


def test_a_query_needs_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    verb = replaced(monkeypatch, REPORT)
    assert cli.main(["load", "--sql", "SELECT 1"]) == 0
    assert verb.calls == [(LoadOptions(sql="SELECT 1"), [])]


def test_verify_has_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    verb = replaced(monkeypatch, REPORT, "verify")
    assert cli.main(["verify", "a", "--strip"]) == 0
    assert verb.calls == [(VerifyOptions(strip=True), ["a"])]
    assert cli.main(["verify", "a", "--no-such-option"]) == 2


def test_stdout_has_the_summary_or_the_json_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(monkeypatch, REPORT)
    cli.main(["load", "a"])
    assert capsys.readouterr() == (REPORT.summary() + "\n", "")
    cli.main(["load", "a", "--json"])
    out, err = capsys.readouterr()
    assert json.loads(out) == REPORT.as_dict()
    assert (len(out.splitlines()), err) == (1, "")


def test_records_that_are_amiss_give_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    amiss = {"read": 2, "equal": 1, "missing": 1, "different": 0}
    replaced(monkeypatch, dataclasses.replace(REPORT, verb="verify", records=amiss), "verify")
    assert cli.main(["verify", "a"]) == 1


@cases(
    ("error", "code"),
    [
        (UsageError("no"), 2),
        (MissingExtraError("no"), 2),
        (SourceError("no"), 3),
        (TargetError("no"), 4),
        (RejectedError("no"), 5),
        (InterruptedRunError("no", 15), 143),
        (WorkerError("no", 137), 137),
        (EtlError("no"), 70),
    ],
)
def test_an_error_is_one_line_on_stderr_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: EtlError, code: int
) -> None:
    replaced(monkeypatch, error)
    assert cli.main(["load", "a"]) == code
    assert capsys.readouterr() == ("", "redis-etl: no\n")


def test_an_error_with_a_report_shows_how_far_the_run_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = TargetError("gone")
    error.report = dataclasses.replace(REPORT, status="failed", error="gone")
    replaced(monkeypatch, error)
    assert cli.main(["load", "a"]) == 4
    assert capsys.readouterr() == (REPORT.summary() + "\n", "redis-etl: gone\n")
    assert cli.main(["load", "a", "--json"]) == 4
    out, err = capsys.readouterr()
    assert (json.loads(out)["status"], json.loads(out)["error"], err) == (
        "failed",
        "gone",
        "redis-etl: gone\n",
    )


def test_ctrl_c_before_the_run_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(monkeypatch, KeyboardInterrupt())
    assert cli.main(["load", "a"]) == 130
    assert "SIGINT" in capsys.readouterr().err


def test_a_bug_shows_its_traceback_and_ends_with_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(monkeypatch, ZeroDivisionError("a bug"))
    assert cli.main(["load", "a"]) == 70
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err


@cases(
    "argv",
    [
        [],
        ["load"],
        ["lod", "a"],
        ["load", "a", "--tll", "3"],
        ["load", "a", "--work", "3"],
        ["load", "a", "--workers"],
        ["load", "a", "--workers", "many"],
        ["load", "a", "--split", "line"],
        ["load", "a", "--ttl", "0"],
        ["load", "a", "--key", "{"],
        ["load", "a", "--key", "{id}"],
        ["load", "a", "--key", "constant"],
        ["load", "a", "--as", "bitmap"],
        ["load", "a", "--as", "set", "--command", "SADD a {line}"],
        ["load", "a", "--command", "FLUSHALL now"],
        ["load", "a", "--command", "SET '{line} b"],
        ["load", "a", "--ttl", "3", "--expire-at", "{line}"],
        ["load", "a", "--max-rejects", "some"],
        ["load", "a", "--rename", "a"],
        ["load", "a", "--delimiter", "|"],
        ["load", "a", "--database", "sqlite:x"],
        ["load", "a", "--sql", "SELECT 1"],
        ["load", "a", "-", "-"],
        ["load", "a", "a"],
        ["load", "a", "--to", "http://host"],
    ],
)
def test_a_usage_error_is_exit_code_2_and_leaves_stdout_alone(
    argv: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"x\n")
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err


@cases(
    "argv",
    [
        ["load", "a", "--too", f"redis://:{SECRET}@host"],
        ["load", "a", f"--too=redis://user:{SECRET}@host"],
        ["load", f"redis://:{SECRET}@host"],
        ["load", "a", "--split", f"redis://:{SECRET}@host"],
        ["load", "a", "--workers", f"redis://:{SECRET}@host"],
        [f"redis://:{SECRET}@host"],
        ["load", "a", "--key", f"redis://:{SECRET}@host{{"],
        ["load", "a", "--to", f"redis://:{SECRET}@host:port"],
    ],
)
def test_a_url_in_the_wrong_place_is_not_repeated_with_its_password(
    argv: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"x\n")
    assert cli.main(argv) in (2, 3)
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    assert err


@pytest.mark.parametrize("argv", [["--help"], ["load", "--help"], ["verify", "--help"], ["--version"]])
def test_help_and_version_go_to_stdout_and_end_with_0(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 0
    out, err = capsys.readouterr()
    assert out
    assert err == ""


def test_a_target_whose_name_stdout_cannot_write_is_written_with_escapes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for encoding in ("ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        replaced(monkeypatch, dataclasses.replace(REPORT, target="embedded:\udcff"))
        assert cli.main(["load", "a"]) == 0
        assert rb"embedded:\udcff" in raw.getvalue()


def test_a_stdout_that_is_full_is_an_error_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(monkeypatch, REPORT)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code = cli.main(["load", "a"])
    err = capsys.readouterr().err
    assert code != 0
    assert "No space left on device" in err
    assert "Traceback" not in err


def test_a_mistyped_command_line_is_answered_by_one_sentence_that_helps(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"x\n")
    see = "(see redis-etl load --help)"
    for line, says in {
        "": "say what to do: help, load, plan, status or verify (see redis-etl --help)",
        "lod a": "there is no command 'lod'; did you mean load? (see redis-etl --help)",
        "frob a": "there is no command 'frob'; there are help, load, plan, status and verify"
        " (see redis-etl --help)",
        "load a --formt csv": f"load has no option --formt; did you mean --format? {see}",
        "load a --zzzzz=3": f"load has no option --zzzzz {see}",
        "load a --work 3": f"load has no option --work; did you mean --workers or --wire? {see}",
        "load a --workers": f"--workers needs a value {see}",
        "load a --restart=yes": f"--restart takes no value {see}",
        "load a --workers abc": "--workers must be a whole number from 1, not 'abc'",
        "load a --as hsh": "--as must be one of hash, json, list, set, stream, string, zset, not 'hsh';"
        " did you mean hash?",
        "load a --quote '": "--quote has no effect on a source read as lines: it is for csv and tsv;"
        " if it is one, say --format csv",
        "load a --vectors text": "--vectors has no effect on a source read as lines: it is for arrow, orc,"
        " parquet, a query and a Python object",
        "load a --score {#}": "--score has no effect with --as string, the default here: it is for --as zset",
        "load a --command SADD --key x": "--command 'SADD': SADD needs a key",
    }.items():
        assert cli.main(line.split()) == 2
        assert capsys.readouterr() == ("", f"redis-etl: {says}\n")


def test_a_verb_that_cannot_be_imported_is_named_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    (tmp_path / "drum.py").write_text("import no_such_library")
    monkeypatch.setattr("etl.verbs.__path__", [*etl.verbs.__path__, str(tmp_path)])
    says = "redis-etl: the command drum cannot be imported: No module named 'no_such_library'\n"
    for argv in (["drum"], ["--help"]):
        assert cli.main(argv) == 2
        assert capsys.readouterr() == ("", says)
    replaced(monkeypatch, REPORT)
    assert cli.main(["load", "a"]) == 0


def test_sources_may_stand_before_and_behind_options(monkeypatch: pytest.MonkeyPatch) -> None:
    verb = replaced(monkeypatch, REPORT)
    assert cli.main(["load", "a", "--workers", "3", "b", "--strip", "c"]) == 0
    assert verb.calls == [(LoadOptions(workers=3, strip=True), ["a", "b", "c"])]
